#include "boost_process.hpp"

#include "stall.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/readable_pipe.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/writable_pipe.hpp>
#include <boost/asio/write.hpp>

#include <boost/optional.hpp>

#include <type_traits>
// With std::filesystem, Boost.Process v2 of 1.81 looks for these in its own namespace, and nothing puts them
// there.
namespace boost::process::v2 {
using std::decay;
using std::enable_if;
using std::is_constructible;
using std::is_convertible;
} // namespace boost::process::v2

#include <boost/process/v2/process.hpp>
#include <boost/process/v2/stdio.hpp>

#include <exception>
#include <stdexcept>
#include <string>
#include <vector>

namespace bench::boost_process {

namespace {

namespace asio = boost::asio;
namespace process = boost::process::v2;
using asio::use_awaitable;

outcome run_all(asio::io_context& context, std::exception_ptr& failed) {
  const auto begin = std::chrono::steady_clock::now();
  context.run();
  const auto end = std::chrono::steady_clock::now();
  if (failed) std::rethrow_exception(failed);
  return {end - begin};
}

outcome run_alone(const workload& work, asio::awaitable<void> (*body)(const workload&)) {
  asio::io_context context(1);
  std::exception_ptr failed;
  asio::co_spawn(context, body(work), [&](std::exception_ptr e) { failed = e; });
  return run_all(context, failed);
}

asio::awaitable<void> lane(const workload& work, std::int64_t& left,
                           asio::awaitable<void> (*one)(const workload&)) {
  while (left > 0) {
    --left;
    co_await one(work);
  }
}

outcome run_lanes(const workload& work, asio::awaitable<void> (*one)(const workload&)) {
  asio::io_context context(1);
  std::exception_ptr failed;
  std::int64_t left = work.count;
  for (std::int64_t n = 0; n < work.width; ++n)
    asio::co_spawn(context, lane(work, left, one), [&](std::exception_ptr e) {
      if (e) failed = e;
    });
  return run_all(context, failed);
}

void expect(bool good) {
  if (!good) throw std::runtime_error("the program failed, or not all came");
}

asio::awaitable<void> one(const workload& work) {
  const std::vector<std::string> arguments;
  process::process child(co_await asio::this_coro::executor, work.program, arguments);
  const int status = co_await child.async_wait(use_awaitable);
  expect(status == 0);
}

/// Starts the program with a pipe for its stdout.
process::process start_piped(const workload& work, const std::vector<std::string>& arguments,
                             asio::readable_pipe& out) {
  // In one expression: a copy of process_stdio closes what its original still names.
  return process::process(out.get_executor(), work.program, arguments, process::process_stdio{{}, out, {}});
}

asio::awaitable<void> one_captured(const workload& work) {
  asio::readable_pipe out(co_await asio::this_coro::executor);
  const std::vector<std::string> arguments;
  auto child = start_piped(work, arguments, out);
  std::string text;
  boost::system::error_code error;
  co_await asio::async_read(out, asio::dynamic_buffer(text), asio::redirect_error(use_awaitable, error));
  const int status = co_await child.async_wait(use_awaitable);
  expect(status == 0);
}

asio::awaitable<void> read_to_end(const workload& work) {
  asio::readable_pipe out(co_await asio::this_coro::executor);
  const std::vector<std::string> arguments{"bytes", std::to_string(work.count)};
  auto child = start_piped(work, arguments, out);
  std::vector<char> buffer(static_cast<std::size_t>(work.width));
  std::int64_t total = 0;
  boost::system::error_code error;
  while (!error) {
    const std::size_t n =
        co_await out.async_read_some(asio::buffer(buffer), asio::redirect_error(use_awaitable, error));
    total += static_cast<std::int64_t>(n);
  }
  const int status = co_await child.async_wait(use_awaitable);
  expect(status == 0 && total == work.count);
}

asio::awaitable<void> read_lines(const workload& work) {
  asio::readable_pipe out(co_await asio::this_coro::executor);
  const std::vector<std::string> arguments{"lines", std::to_string(work.count), std::to_string(work.width)};
  auto child = start_piped(work, arguments, out);
  std::string text;
  std::int64_t lines = 0;
  for (boost::system::error_code error;;) {
    const std::size_t n = co_await asio::async_read_until(out, asio::dynamic_buffer(text), '\n',
                                                          asio::redirect_error(use_awaitable, error));
    if (error) break;
    ++lines;
    text.erase(0, n);
  }
  const int status = co_await child.async_wait(use_awaitable);
  expect(status == 0 && lines == work.count);
}

asio::awaitable<void> feed(asio::writable_pipe& in, const std::string& input) {
  co_await asio::async_write(in, asio::buffer(input), use_awaitable);
  in.close();
}

asio::awaitable<void> drain(asio::readable_pipe& out, std::string& output) {
  boost::system::error_code error;
  co_await asio::async_read(out, asio::dynamic_buffer(output), asio::redirect_error(use_awaitable, error));
}

asio::awaitable<void> through(const workload& work) {
  using namespace asio::experimental::awaitable_operators;
  const auto executor = co_await asio::this_coro::executor;
  const std::string input(static_cast<std::size_t>(work.width), 'i');
  for (std::int64_t n = 0; n < work.count; ++n) {
    asio::readable_pipe out(executor);
    asio::writable_pipe in(executor);
    const std::vector<std::string> arguments;
    process::process child(executor, work.program, arguments, process::process_stdio{in, out, {}});
    std::string output;
    co_await (feed(in, input) && drain(out, output));
    const int status = co_await child.async_wait(use_awaitable);
    expect(status == 0 && output.size() == input.size());
  }
}

struct ticker {
  asio::io_context& context;
  turn_watch& watch;

  void operator()() const {
    watch.turn();
    if (!watch.stopped) asio::post(context, *this);
  }
};

asio::awaitable<void> stall_lane(const workload& work, turn_watch& watch) {
  for (std::int64_t n = 0; n < work.count; ++n) {
    watch.begin();
    co_await one(work);
    watch.end();
  }
  watch.stopped = true;
}

outcome measure_stall(const workload& work) {
  asio::io_context context(1);
  turn_watch watch;
  std::exception_ptr failed;
  asio::co_spawn(context, stall_lane(work, watch), [&](std::exception_ptr e) {
    failed = e;
    watch.stopped = true;
  });
  asio::post(context, ticker{context, watch});
  run_all(context, failed);
  return watch.result();
}

} // namespace

const work_function start = [](const workload& work) { return run_lanes(work, one); };
const work_function capture = [](const workload& work) { return run_lanes(work, one_captured); };
const work_function read_pipe = [](const workload& work) { return run_alone(work, read_to_end); };
const work_function lines = [](const workload& work) { return run_alone(work, read_lines); };
const work_function communicate = [](const workload& work) { return run_alone(work, through); };
const work_function stall = measure_stall;

} // namespace bench::boost_process
