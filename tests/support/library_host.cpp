// A program that runs targets of a library that it is linked with and, after that, of one that it loads: a
// fork has loaded it, too; what is executed anew has not, and says so before anything runs.
#include "library_of_targets.hpp"

#include <coproc/bootstrap_error.hpp>
#include <coproc/run_main.hpp>

#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include <dlfcn.h>

namespace {

using coproc::start_method;
using factory = decltype(process_in_library);

constexpr start_method methods[] = {start_method::forkserver, start_method::spawn, start_method::fork};

asio::awaitable<int> run_once(factory* make, start_method method) {
  auto p = make(method, 21);
  co_await p->start();
  co_return co_await p->result();
}

asio::awaitable<void> must_be_missing(factory* make, start_method method, std::string library) {
  bool refused = false;
  try {
    co_await run_once(make, method);
  } catch (const coproc::bootstrap_error& error) {
    const std::string text = error.what();
    refused = text.find("twice") != text.npos && text.find(library) != text.npos;
    if (!refused) std::cerr << text << '\n';
  }
  if (!refused) std::exit(3);
}

asio::awaitable<int> amain(std::vector<std::string> args) {
  for (start_method method : methods) {
    const int result = co_await run_once(process_in_library, method);
    if (result != 42) co_return 1;
  }
  const std::string path = args.at(1);
  void* library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    std::cerr << ::dlerror() << '\n';
    co_return 2;
  }
  // The mangled name of the function that is declared in the header.
  auto* loaded =
      reinterpret_cast<factory*>(::dlsym(library, "_Z18process_in_libraryN6coproc12start_methodEi"));
  if (!loaded || loaded == &process_in_library) co_return 4;
  co_await must_be_missing(loaded, start_method::forkserver, path);
  co_await must_be_missing(loaded, start_method::spawn, path);
  const int result = co_await run_once(loaded, start_method::fork);
  if (result != 42) co_return 5;
  // What was refused has cost nobody the fork server.
  const int after = co_await run_once(process_in_library, start_method::forkserver);
  co_return after == 42 ? 0 : 6;
}

} // namespace

int main(int argc, char** argv) { return coproc::run_main(argc, argv, amain); }
