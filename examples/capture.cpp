// Captures what a program writes: stdout and stderr apart, both in one, or stdout alone of one that has to
// succeed.
//
//     $ ./capture
//     out: [a result
//     ] err: [a warning
//     ]
//     both: [a result
//     a warning
//     ]
//     check_output: [a result
//     ]

#include <coproc/coproc.hpp>

#include <iostream>
#include <string>

asio::awaitable<void> amain() {
  const coproc::command talk = coproc::command::shell("echo a result; echo a warning >&2");

  // Both streams are drained together, so neither can fill its pipe and hold the program up.
  coproc::completed apart = co_await coproc::run(talk);
  std::cout << "out: [" << apart.out << "] err: [" << apart.err << "]\n";

  coproc::command merged = talk;
  merged.err(coproc::stdio::merge());
  coproc::completed both = co_await coproc::run(merged);
  std::cout << "both: [" << both.out << "]\n";

  // check_output() leaves stderr where the host's goes, unless the command says otherwise.
  coproc::command quiet = talk;
  quiet.err(coproc::stdio::null());
  std::string out = co_await coproc::check_output(quiet);
  std::cout << "check_output: [" << out << "]\n";
}

int main(int argc, char** argv) { return coproc::run_main(argc, argv, amain); }
