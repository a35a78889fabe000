#pragma once

#include <string>

/// What the tests of function processes run in them.
namespace coproc::test::process_targets {

void nothing();
int add(int a, const std::string& b);
/// Writes it to stdout, at once.
void say(const char* text);
/// Says that it is ready, and waits for ever.
void pause_for_ever();
/// Says that it is ready. Ends when its stdin does.
int end_with_input();

} // namespace coproc::test::process_targets
