#include "support/helper.hpp"

namespace coproc::test {

std::string helper_path() { return COPROC_TEST_HELPER; }

std::string host_path() { return COPROC_TEST_HOST; }

std::string function_host_path() { return COPROC_TEST_FUNCTION_HOST; }

} // namespace coproc::test
