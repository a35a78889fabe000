// Includes everything a second time: what the headers define must be fit for more than one file of a program.

#include <coproc/coproc.hpp>

bool header_and_library_agree();
bool header_and_library_agree() { return coproc::version() == COPROC_VERSION; }
