// How functions in child processes fail: an exception comes back with its type, text and causes; a death is
// told apart from it.
//
//     $ ./function_errors
//     std::invalid_argument in parse_port: 'http' is no port
//     caused by std::invalid_argument: stoi
//     process 'Process-2' exited with code 3 without a result
//     process 'crash' killed by SIGSEGV without a result
//     join() only waits: exit code 1

#include <coproc/coproc.hpp>

#include <csignal>
#include <cstdlib>
#include <iostream>
#include <stdexcept>
#include <string>

int parse_port(std::string text) {
  try {
    return std::stoi(text);
  } catch (const std::exception&) {
    std::throw_with_nested(std::invalid_argument("'" + text + "' is no port"));
  }
}

int leave() { std::exit(3); }

int crash() {
  std::signal(SIGSEGV, SIG_DFL);
  std::raise(SIGSEGV);
  return 0;
}

asio::awaitable<void> amain() {
  coproc::process parser{coproc::target<parse_port>, "http"};
  co_await parser.start();
  try {
    co_await parser.result();
  } catch (const coproc::remote_error& error) {
    std::cout << error.type() << " in " << error.function() << ": " << error.message() << '\n';
    const auto& cause = error.chain().at(1);
    std::cout << "caused by " << cause.type << ": " << cause.message << '\n';
  }

  coproc::process leaver{coproc::target<leave>};
  co_await leaver.start();
  try {
    co_await leaver.result();
  } catch (const coproc::process_died& death) {
    std::cout << death.what() << '\n';
  }

  coproc::process crasher{coproc::process_options().name("crash"), coproc::target<crash>};
  co_await crasher.start();
  try {
    co_await crasher.result();
  } catch (const coproc::process_died& death) {
    // A core file, where the system writes one, is no part of the example.
    std::string text = death.what();
    if (std::size_t core = text.find(" (core dumped)"); core != std::string::npos) text.erase(core, 14);
    std::cout << text << '\n';
  }

  coproc::process again{coproc::target<parse_port>, "ssh"};
  co_await again.start();
  co_await again.join();
  std::cout << "join() only waits: exit code " << *again.exitcode() << '\n';
}

int main(int argc, char** argv) { return coproc::run_main(argc, argv, amain); }
