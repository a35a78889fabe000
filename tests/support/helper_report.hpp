#pragma once

namespace coproc::test {

/// Performs the action @p name if it is one that writes what the helper finds itself in to stdout, a line
/// each unless said otherwise. @returns false if it is not.
bool report(const char* name, const char* value);

/// argv[0] and all else, each with a NUL after it.
void report_arguments(char** argv);

} // namespace coproc::test
