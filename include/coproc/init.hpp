#pragma once

namespace coproc {

/// Makes the program able to run its own functions in child processes. To be the first statement of main():
///
///     int main(int argc, char** argv) {
///       coproc::init(argc, argv);
///       ...
///     }
///
/// run_main() does it by itself. A child process executes the same program, and this is where it turns into
/// one: it does not return there. What main() does before it, and what static initialisers do, is done in
/// every child process.
///
/// A child trusts nothing but the socket that it has inherited: if that was not made by its own parent, it
/// says so on stderr and exits with code 125.
void init(int argc, char** argv);

} // namespace coproc
