// A program outside of the library's build: what it needs from the package beyond the README's quick start.
// It exits with 0 if everything that it asks for is as it has to be.

#include <coproc/coproc.hpp>

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>

#include <chrono>
#include <exception>
#include <iostream>
#include <string>
#include <typeinfo>
#include <vector>

bool header_and_library_agree(); // version.cpp: a second file that includes everything

namespace {

using namespace std::chrono_literals;

int failures = 0;

void expect(bool good, const char* what) {
  if (good) return;
  std::cerr << "not so: " << what << '\n';
  ++failures;
}

struct job {
  std::string name;
  std::vector<int> numbers;
  bool operator==(const job&) const = default;
};

void values_cross() {
  const job before{"from outside", {1, 2, 3}};
  coproc::detail::message message;
  coproc::wire::encode(message, before);
  expect(coproc::wire::decode<job>(message) == before, "a struct crosses: cereal and Boost.PFR are found");
  bool caught = false;
  try {
    coproc::wire::decode<std::string>(message);
  } catch (const coproc::error&) {
    caught = true;
  }
  expect(caught, "wire::error is caught as its base");
}

asio::awaitable<void> everything() {
  // An exception that the library throws is caught by its type: the two agree about its type_info.
  bool caught = false;
  try {
    co_await coproc::run(coproc::command::shell("exit 3").check());
  } catch (const coproc::called_process_error& error) {
    caught = error.status == coproc::exit_status::exited(3);
  }
  expect(caught, "called_process_error is caught");

  // An error of Asio's, made in the library and compared here: the two agree about its category.
  bool missing = false;
  try {
    co_await coproc::spawn(coproc::command("/no/such/program"));
  } catch (const std::system_error& error) {
    missing = error.code() == std::errc::no_such_file_or_directory;
  }
  expect(missing, "a missing program is no_such_file_or_directory");

  // A timer in the library and this loop: the two agree about the services of an io_context.
  auto sleeper = co_await coproc::spawn(coproc::command("sleep", "600").in(coproc::stdio::null()));
  auto early = co_await sleeper.wait(1ms);
  expect(!early, "wait(1ms) returns while the child runs");
  auto status = co_await sleeper.stop(coproc::stop_policy(0s));
  expect(status.signal().has_value(), "stop() kills");
}

} // namespace

int main() {
  expect(header_and_library_agree(), "COPROC_VERSION is version()");
  values_cross();
  asio::io_context loop;
  asio::co_spawn(loop, everything(), [](std::exception_ptr error) {
    if (!error) return;
    try {
      std::rethrow_exception(error);
    } catch (const std::exception& e) {
      std::cerr << typeid(e).name() << ": " << e.what() << '\n';
    }
    ++failures;
  });
  loop.run();
  return failures == 0 ? 0 : 1;
}
