#include <coproc/version.hpp>

int coproc::version() noexcept { return COPROC_VERSION; }
