// Processes that are made in a wrong way. Compiled once for each case by check.py, which looks for the texts
// in the comments.
#include <coproc/process.hpp>

#include <asio/awaitable.hpp>
#include <asio/io_context.hpp>

#include <string>

int add(int a, int b) { return a + b; }

class rooted {
public:
  rooted() = default;
  rooted(const rooted&) = delete;
  template <class Archive>
  void serialize(Archive&) {}
};
void take_rooted(const rooted&) {}
asio::awaitable<int, asio::io_context::executor_type> elsewhere() { co_return 1; }
asio::awaitable<const std::string&> refer(const std::string& text);

void good() {
  coproc::process p{coproc::target<add>, 1, 2};
  coproc::process q{coproc::process_options().name("q"), coproc::target<add>, 1, 2};
  coproc::process r{coproc::fork_target, [n = 1] { return n; }};
  coproc::process moved{std::move(p)};
}

void bad() {
  [[maybe_unused]] int n = 1;
#ifdef ALL_RIGHT //
#endif
#ifdef FUNCTION // coproc::process: a function is named, process p{coproc::target<f>, arguments...}
  coproc::process p{add, 1, 2};
#endif
#ifdef POINTER // coproc::process: a function is named
  coproc::process p{coproc::process_options(), &add, 1, 2};
#endif
#ifdef LAMBDA // a lambda with captures needs a fork, process p{coproc::fork_target, lambda}
  coproc::process p{[n] { return n; }};
#endif
#ifdef CANNOT_BE_MOVED // an object of a parameter's class can't be moved: pass a std::unique_ptr to it
  coproc::process p{coproc::target<take_rooted>, rooted()};
#endif
#ifdef EXECUTOR // a coroutine has to return asio::awaitable<R>, with its default executor
  coproc::process p{coproc::target<elsewhere>};
#endif
#ifdef COROUTINE_OF_REFERENCE // a coroutine returns a reference
  coproc::process p{coproc::target<refer>, "text"};
#endif
}
