// Values that cross as descriptors, when there are too many of these on their way, or none is left.
#include <coproc/connection.hpp>
#include <coproc/make_pipe.hpp>

#include "support/co_test.hpp"
#include "support/expect.hpp"
#include "support/fault.hpp"
#include "support/forked.hpp"
#include "support/leak_check.hpp"
#include "support/pending.hpp"

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>

#include <cerrno>
#include <exception>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <sys/resource.h>
#include <unistd.h>

using namespace coproc::test;

BOOST_AUTO_TEST_SUITE(connection_descriptors)

using coproc::connection_closed;
using coproc::make_pipe;

const std::string large(70'000, 'l'); // crosses as a descriptor

CO_TEST(too_many_descriptors_on_their_way_make_the_sender_wait) {
  auto [a, b] = make_pipe<std::string>();
  {
    fault full(coproc::os::call::sendmsg, ETOOMANYREFS, 3);
    auto sender = co_await beside(a.send(large));
    co_await breathe();
    BOOST_TEST(!sender.done());
    co_await sender.result();
    BOOST_TEST(full.hits() == 3u);
  }
  {
    fault full(coproc::os::call::sendmsg, ETOOMANYREFS, 3);
    a.blocking_send(large);
    BOOST_TEST(full.hits() == 3u);
  }
  for (int i = 0; i != 2; ++i) {
    std::string got = co_await b.recv();
    BOOST_TEST((got == large));
  }
}

CO_TEST(sender_among_too_many_descriptors_can_be_stopped) {
  fault full(coproc::os::call::sendmsg, ETOOMANYREFS);
  auto [a, b] = make_pipe<std::string>();
  auto cancelled = co_await beside(a.send(large));
  co_await breathe();
  cancelled.cancel();
  bool aborted = co_await cancelled.aborted();
  BOOST_TEST(aborted);

  auto closed_there = co_await beside(a.send(large));
  co_await breathe();
  BOOST_TEST(!closed_there.done());
  b.close();
  co_await thrown_by<connection_closed>(closed_there.result());
  BOOST_CHECK_THROW(a.blocking_send(large), connection_closed);

  auto [c, d] = make_pipe<std::string>();
  auto closed_here = co_await beside(c.send(large));
  co_await breathe();
  BOOST_TEST(!closed_here.done());
  c.close();
  aborted = co_await closed_here.aborted();
  BOOST_TEST(aborted);
}

using many_pipes = std::vector<std::pair<coproc::connection<std::string>, coproc::connection<std::string>>>;
constexpr int values_of_each = 8; // for which every pipe has room

asio::awaitable<void> send_some(coproc::connection<std::string>& to, int& sent) {
  for (int i = 0; i != values_of_each; ++i, ++sent) co_await to.send(large);
}

asio::awaitable<void> receive_some(coproc::connection<std::string>& from, int& received) {
  for (int i = 0; i != values_of_each; ++i) {
    std::string got = co_await from.recv();
    if (got == large) ++received;
  }
}

/// With more descriptors on their way than the kernel lets an ordinary user have.
void send_too_many() {
  const rlimit limit{120, 120};
  if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) throw std::runtime_error("setrlimit");
  many_pipes pipes;
  for (int i = 0; i != 25; ++i) pipes.push_back(make_pipe<std::string>());
  const int all = values_of_each * static_cast<int>(pipes.size());
  int sent = 0, received = 0, failed = 0;
  const auto count_failure = [&](std::exception_ptr error) { failed += error ? 1 : 0; };
  asio::io_context loop;
  for (auto& [to, from] : pipes) asio::co_spawn(loop, send_some(to, sent), count_failure);
  for (int i = 0; i != 100; ++i) loop.poll();
  if (failed != 0 || sent >= all) throw std::runtime_error("nobody waits");
  for (auto& [to, from] : pipes) asio::co_spawn(loop, receive_some(from, received), count_failure);
  loop.run_for(deadline());
  if (failed != 0 || received != all) throw std::runtime_error("not all has come");
}

BOOST_AUTO_TEST_CASE(an_ordinary_user_waits_for_its_descriptors_to_arrive) {
  leak_check leaks;
  constexpr uid_t nobody = 65534;
  forked user([] {
    // Root may have any number on their way. Where it can't become somebody else, there is nothing to see.
    if (::getuid() == 0 && (::setgid(nobody) != 0 || ::setuid(nobody) != 0)) return;
    send_too_many();
  });
  BOOST_TEST(user.ended_well());
}

/// The process is at its limit, in this scope.
class no_descriptors {
public:
  /// @param but that many, if the numbers from the lowest free one on are free.
  explicit no_descriptors(unsigned but = 0) {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    const int next = ::dup(0);
    ::close(next);
    const rlimit so_many{static_cast<rlim_t>(next) + but, before_.rlim_max};
    if (::setrlimit(RLIMIT_NOFILE, &so_many) != 0) throw std::runtime_error("setrlimit");
  }
  no_descriptors(const no_descriptors&) = delete;
  ~no_descriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }

private:
  rlimit before_;
};

template <class Operation>
void require_none_left(Operation operation) {
  try {
    operation();
  } catch (const std::system_error& error) {
    if (error.code() == std::errc::too_many_files_open) return;
    throw;
  }
  throw std::logic_error("there was one");
}

/// Receives when there is no descriptor, and when there is one again.
void receive_without_descriptor() {
  auto [a, b] = make_pipe<std::string>();
  a.blocking_send(large);
  a.blocking_send("small");
  {
    no_descriptors none;
    for (int i = 0; i != 2; ++i) require_none_left([&] { (void)b.blocking_recv(); });
  }
  if (b.blocking_recv() != large || b.blocking_recv() != "small") throw std::logic_error("another value");
}

/// The same behind a value that needs none.
void receive_two_without_descriptor() {
  auto [a, b] = make_pipe<std::string>();
  a.blocking_send("small");
  a.blocking_send(large);
  {
    no_descriptors none;
    if (b.blocking_recv() != "small") throw std::logic_error("another value");
    require_none_left([&] { (void)b.blocking_recv(); });
  }
  if (b.blocking_recv() != large) throw std::logic_error("another value");
}

/// A value that takes the last one, and one that finds none.
void receive_with_one_descriptor() {
  auto [a, b] = make_pipe<std::string, coproc::connection<int>>();
  auto [c, d] = make_pipe<int>();
  auto [e, f] = make_pipe<int>();
  b.blocking_send(std::move(c));
  b.blocking_send(std::move(e));
  coproc::connection<int> first;
  {
    no_descriptors one_left(1);
    first = a.blocking_recv();
    require_none_left([&] { (void)a.blocking_recv(); });
  }
  coproc::connection<int> second = a.blocking_recv();
  d.blocking_send(4);
  f.blocking_send(5);
  if (first.blocking_recv() != 4 || second.blocking_recv() != 5) throw std::logic_error("another value");
}

BOOST_AUTO_TEST_CASE(value_without_a_descriptor_left_stays) {
  leak_check leaks;
  for (auto receive :
       {receive_without_descriptor, receive_two_without_descriptor, receive_with_one_descriptor}) {
    forked without(receive);
    BOOST_TEST(without.ended_well());
  }
}

void receive_without_stdin() {
  auto [out, in] = make_pipe<coproc::connection<int>>();
  auto [a, b] = make_pipe<int>();
  out.blocking_send(std::move(a));
  ::close(0);
  coproc::connection<int> moved = in.blocking_recv();
  if (::fcntl(0, F_GETFD) >= 0) throw std::logic_error("it is stdin now");
  moved.blocking_send(6);
  if (b.blocking_recv() != 6) throw std::logic_error("another value");
}

BOOST_AUTO_TEST_CASE(what_is_received_becomes_no_standard_stream) {
  leak_check leaks;
  forked without(receive_without_stdin);
  BOOST_TEST(without.ended_well());
}

BOOST_AUTO_TEST_CASE(no_descriptor_left_is_a_clear_error) {
  leak_check leaks;
  fault none(coproc::os::call::socketpair, EMFILE);
  try {
    (void)make_pipe<int>();
    BOOST_ERROR("no exception");
  } catch (const std::system_error& error) {
    BOOST_TEST((error.code() == std::errc::too_many_files_open));
    BOOST_TEST(std::string(error.what()).starts_with("make_pipe"));
  }
}

BOOST_AUTO_TEST_SUITE_END()
