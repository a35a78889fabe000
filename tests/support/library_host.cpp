// A program that runs targets of a library that it is linked with and, after that, of one that it loads: a
// fork has loaded it, too; what is executed anew has not, and says so before anything runs. One that it
// finds in COPROC_TEST_LIBRARY it loads before init(): then so does every child. (An argument would not do:
// the arguments of a child are others.)
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

// Null, and the reason on stderr, if it can't be loaded.
factory* load(const char* path) {
  void* library = ::dlopen(path, RTLD_NOW | RTLD_LOCAL);
  // The mangled name of the function that is declared in the header.
  void* found = library ? ::dlsym(library, "_Z18process_in_libraryN6coproc12start_methodEi") : nullptr;
  if (!found) std::cerr << ::dlerror() << '\n';
  return reinterpret_cast<factory*>(found);
}

asio::awaitable<int> works_by_all_methods(factory* make) {
  for (start_method method : methods) {
    const int result = co_await run_once(make, method);
    if (result != 42) co_return 1;
  }
  co_return 0;
}

asio::awaitable<int> loads_while_it_runs(std::vector<std::string> args) {
  const int linked = co_await works_by_all_methods(process_in_library);
  if (linked != 0) co_return 1;
  const std::string path = args.at(1);
  factory* loaded = load(path.c_str());
  if (!loaded) co_return 2;
  if (loaded == &process_in_library) co_return 4;
  co_await must_be_missing(loaded, start_method::forkserver, path);
  co_await must_be_missing(loaded, start_method::spawn, path);
  const int result = co_await run_once(loaded, start_method::fork);
  if (result != 42) co_return 5;
  // What was refused has cost nobody the fork server.
  const int after = co_await run_once(process_in_library, start_method::forkserver);
  co_return after == 42 ? 0 : 6;
}

} // namespace

int main(int argc, char** argv) {
  const char* path = std::getenv("COPROC_TEST_LIBRARY");
  if (!path) return coproc::run_main(argc, argv, loads_while_it_runs);
  static factory* const loaded = load(path);
  if (!loaded || loaded == &process_in_library) return 4;
  return coproc::run_main(argc, argv, [] { return works_by_all_methods(loaded); });
}
