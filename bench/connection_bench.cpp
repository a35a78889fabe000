// Question: how fast do values go through a connection between two processes?
// Unit: microseconds a round trip; values a second in one direction.
// Varies: the size of the value; whether both ends have to share one CPU.
// Fixed: the host awaits, the child uses the blocking forms (or plain system calls); a std::string crosses.
// Limit: raw_asio, a SOCK_SEQPACKET pair with one end in standalone Asio, the other in a blocking loop.

#include "support/contest.hpp"
#include "support/kept_loop.hpp"
#include "support/peer.hpp"
#include "support/raw_function.hpp"

#include <coproc/make_pipe.hpp>
#include <coproc/process.hpp>

#include <stdexcept>

namespace bench {

namespace {

void echo(coproc::connection<std::string> host) {
  try {
    for (;;) host.blocking_send(host.blocking_recv());
  } catch (const coproc::connection_closed&) {
  }
}

void send_many(coproc::connection<std::string> host, std::int64_t count, std::size_t size) {
  const std::string value(size, 'x');
  for (std::int64_t n = 0; n < count; ++n) host.blocking_send(value);
}

struct echo_child {
  coproc::connection<std::string> mine;
  std::optional<coproc::process<void>> process;
};

asio::awaitable<void> ping_pong(const workload& work) {
  static echo_child child;
  if (!child.process) {
    auto ends = coproc::make_pipe<std::string>();
    child.mine = std::move(ends.first);
    child.process.emplace(coproc::target<echo>, std::move(ends.second));
    co_await child.process->start();
  }
  const std::string value(static_cast<std::size_t>(work.width), 'x');
  for (std::int64_t n = 0; n < work.count; ++n) {
    co_await child.mine.send(value);
    const std::string back = co_await child.mine.recv();
    if (back.size() != value.size()) throw std::runtime_error("not all came back");
  }
}

outcome run_ping_pong(const workload& work) {
  workload first = work;
  first.count = 1;
  run_alone_on_kept_loop(first, ping_pong); // starts the child, the first time
  return run_alone_on_kept_loop(work, ping_pong);
}

asio::awaitable<void> receive(const workload& work) {
  auto ends = coproc::make_pipe<std::string>();
  coproc::process child{coproc::target<send_many>, std::move(ends.second), work.count,
                        static_cast<std::size_t>(work.width)};
  co_await child.start();
  for (std::int64_t n = 0; n < work.count; ++n) {
    const std::string value = co_await ends.first.recv();
    if (value.size() != static_cast<std::size_t>(work.width)) throw std::runtime_error("not all came");
  }
  co_await child.join();
}

outcome run_receive(const workload& work) { return run_alone_on_kept_loop(work, receive); }

} // namespace

void ask(const settings& how) {
  std::vector<contestant> round_trip{{"coproc", run_ping_pong, {}}, {"raw_asio", raw::echo_asio, {}}};
  for (auto& peer : peers("pipe_echo")) round_trip.push_back(std::move(peer));
  for (std::int64_t size : {64, 16384}) {
    const std::string title = "connection/round_trip/size:" + std::to_string(size);
    const workload work{"pipe_echo", "-", how.smoke ? 2 : 500, size};
    compete(title, round_trip, work, {}, unit::time_per_item);
    compete(title + "/cpus:1", round_trip, work, {.one_cpu = true}, unit::time_per_item);
  }

  std::vector<contestant> one_way{{"coproc", run_receive, {}}, {"raw_asio", raw::receive_asio, {}}};
  for (auto& peer : peers("pipe_receive")) one_way.push_back(std::move(peer));
  for (std::int64_t size : {64, 16384})
    compete("connection/one_way/size:" + std::to_string(size), one_way,
            {"pipe_receive", "-", how.smoke ? 2 : 20'000, size}, {}, unit::items_per_second);
}

} // namespace bench
