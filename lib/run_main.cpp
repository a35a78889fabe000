#include <coproc/init.hpp>
#include <coproc/run_main.hpp>

#include "os/signal.hpp"

#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/signal_set.hpp>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <optional>
#include <system_error>

#include <signal.h>

namespace coproc::detail {

namespace {

/// What came of amain.
struct ending {
  std::exception_ptr error;
  int code = 0;
  int signal = 0; // the one that cancelled it; 0: none did
};

bool is_cancellation(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const std::system_error& e) {
    return e.code() == asio::error::operation_aborted;
  } catch (...) {
    return false;
  }
}

void print(const std::exception_ptr& error, const char* program) {
  try {
    std::rethrow_exception(error);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s: %s\n", program, e.what());
  } catch (...) {
    std::fprintf(stderr, "%s: an exception of unknown type\n", program);
  }
}

/// The first signal cancels; a second one has its default effect, should the first lead nowhere.
void watch_signals(asio::signal_set& signals, asio::cancellation_signal& cancel, ending& end) {
  signals.async_wait([&](const asio::error_code& error, int number) {
    if (error) return;
    end.signal = number;
    signals.clear();
    cancel.emit(asio::cancellation_type::terminal);
  });
}

} // namespace

int run_main(int argc, char** argv, std::function<asio::awaitable<int>(std::vector<std::string>)> amain) {
  init(argc, argv);
  std::vector<std::string> arguments(argv, argv + argc);
  ending end;
  asio::cancellation_signal cancel; // outlives what is left on the loop, which may refer to its slot
  asio::io_context context(1);
  asio::signal_set signals(context);
  // A shell starts background jobs with SIGINT ignored; that is to stay so.
  for (int number : {SIGINT, SIGTERM})
    if (!os::is_ignored(number)) signals.add(number);
  watch_signals(signals, cancel, end);
  asio::co_spawn(context, amain(std::move(arguments)),
                 asio::bind_cancellation_slot(cancel.slot(), [&](std::exception_ptr error, int code) {
                   end.error = error;
                   end.code = code;
                   context.stop();
                 }));
  context.run();
  if (!end.error) return end.code;
  if (end.signal != 0 && is_cancellation(end.error)) return 128 + end.signal;
  print(end.error, argc > 0 ? argv[0] : "coproc");
  return EXIT_FAILURE;
}

} // namespace coproc::detail
