#include "support/co_test.hpp"

#include "support/leak_check.hpp"
#include "support/pending.hpp"

#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/co_spawn.hpp>
#include <asio/error.hpp>
#include <asio/io_context.hpp>
#include <asio/multiple_exceptions.hpp>
#include <boost/test/results_collector.hpp>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <optional>
#include <system_error>
#include <vector>

#include <signal.h>
#include <string.h>
#include <unistd.h>

namespace coproc::test {

namespace {

using clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

enum class interruption { none, cancel, destroy };

struct outcome {
  std::size_t handlers = 0;
  bool finished = false;
};

bool is_cancellation(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const std::system_error& e) {
    return e.code() == asio::error::operation_aborted;
  } catch (const asio::multiple_exceptions& e) {
    return is_cancellation(e.first_exception());
  } catch (...) {
    return false;
  }
}

/// The last line of defence, against a call that blocks: run_one_until() gives up only between handlers.
class watchdog {
public:
  explicit watchdog(duration limit) {
    struct sigaction bark {};
    bark.sa_handler = [](int) {
      const char* name = current;
      const char text[] = "a blocking call hangs in test ";
      if (::write(2, text, sizeof text - 1) < 0 || ::write(2, name, ::strlen(name)) < 0 ||
          ::write(2, "\n", 1) < 0)
        ::_exit(124);
      ::abort();
    };
    current = boost::unit_test::framework::current_test_case().p_name->c_str();
    ::sigaction(SIGALRM, &bark, &before_);
    ::alarm(static_cast<unsigned>(std::chrono::ceil<std::chrono::seconds>(limit).count()));
  }
  watchdog(const watchdog&) = delete;
  ~watchdog() {
    ::alarm(0);
    ::sigaction(SIGALRM, &before_, nullptr);
  }

private:
  static inline const char* current = "";
  struct sigaction before_ {};
};

/// A loop for one run of a body.
struct test_loop {
  struct after {
    ~after() { loop_is_ending = false; }
  } end;
  asio::io_context context;
  struct before {
    ~before() { loop_is_ending = true; }
  } begin_of_end;
};

/// Runs the body, interrupted after @p step handlers.
outcome drive(test_body body, interruption how, std::size_t step) {
  outcome result;
  std::exception_ptr error;
  asio::cancellation_signal stop; // outlives the loop, whose destruction may touch its slot
  test_loop whole;
  asio::io_context& loop = whole.context;
  asio::co_spawn(loop, body(), asio::bind_cancellation_slot(stop.slot(), [&](std::exception_ptr e) {
                   result.finished = true;
                   error = e;
                 }));

  const auto end = clock::now() + deadline();
  while (!result.finished) {
    if (how == interruption::destroy && result.handlers == step) return result;
    if (how == interruption::cancel && result.handlers == step) stop.emit(asio::cancellation_type::terminal);
    if (loop.run_one_until(end) == 0) break;
    ++result.handlers;
  }
  if (!result.finished) {
    if (loop.stopped())
      BOOST_ERROR("the loop ran out of work before the body ended: a waiter that is no work");
    else
      BOOST_ERROR("hangs: not done within the deadline");
    return result;
  }
  if (error && !(how == interruption::cancel && is_cancellation(error))) std::rethrow_exception(error);

  loop.run_until(end);
  if (!loop.stopped()) BOOST_ERROR("hangs: the body has ended, but work is left in the loop");
  return result;
}

outcome run_and_check(test_body body, interruption how, std::size_t step) {
  watchdog guard(deadline() * 2);
  leak_check nothing_left; // also when the body throws
  return drive(body, how, step);
}

bool failed_already() {
  const auto& test = boost::unit_test::framework::current_test_case();
  return !boost::unit_test::results_collector.results(test.p_id).passed();
}

/// All of 0 ... @p steps, or as many of them as fit, evenly spread, with both ends.
std::vector<std::size_t> choose_steps(std::size_t steps, std::size_t room) {
  std::vector<std::size_t> chosen;
  const std::size_t count = std::min(steps + 1, std::max<std::size_t>(room, 4));
  for (std::size_t i = 0; i != count; ++i) chosen.push_back(i * steps / std::max<std::size_t>(count - 1, 1));
  return chosen;
}

} // namespace

duration deadline() { return sanitized ? 180s : 60s; }

std::size_t scale_from_environment(const char* name, std::size_t otherwise) {
  const char* text = std::getenv(name);
  return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

void run_co_test(test_body body, reruns again) {
  const auto start = clock::now();
  const outcome whole = run_and_check(body, interruption::none, 0);
  if (again == reruns::none || failed_already()) return;

  const auto once = std::max<duration>(clock::now() - start, 100us);
  const duration budget = std::chrono::milliseconds(scale_from_environment("COPROC_TEST_SWEEP_MS", 600));
  const std::size_t room = static_cast<std::size_t>(budget / once) / 2;
  for (interruption how : {interruption::cancel, interruption::destroy}) {
    for (std::size_t step : choose_steps(whole.handlers, room)) {
      BOOST_TEST_INFO_SCOPE((how == interruption::cancel ? "cancelled" : "loop destroyed")
                            << " after handler " << step << " of " << whole.handlers);
      run_and_check(body, how, step);
      if (failed_already()) return;
    }
  }
}

} // namespace coproc::test
