// The streams as Asio's AsyncReadStream and AsyncWriteStream.
#include <coproc/input_stream.hpp>
#include <coproc/output_stream.hpp>

#include <coproc/spawn.hpp>

#include "support/co_test.hpp"
#include "support/expect.hpp"
#include "support/helper.hpp"
#include "support/leak_check.hpp"
#include "support/pending.hpp"

#include <asio/bind_cancellation_slot.hpp>
#include <asio/bind_executor.hpp>
#include <asio/buffer.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/read.hpp>
#include <asio/read_until.hpp>
#include <asio/redirect_error.hpp>
#include <asio/strand.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/use_future.hpp>
#include <asio/write.hpp>

#include <array>
#include <chrono>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <system_error>

using namespace coproc::test;

BOOST_AUTO_TEST_SUITE(asio_stream)

using coproc::stdio;

asio::awaitable<coproc::child> cat() {
  auto c = helper("cat").in(stdio::pipe()).out(stdio::pipe());
  co_return co_await coproc::spawn(std::move(c));
}

CO_TEST_ONCE(futures_work) {
  auto c = co_await cat();
  std::array<char, 8> buffer{};
  std::future<std::size_t> wrote = c.in().async_write_some(asio::buffer("text", 4), asio::use_future);
  std::future<std::size_t> got = c.out().async_read_some(asio::buffer(buffer), asio::use_future);
  while (got.wait_for(std::chrono::seconds(0)) != std::future_status::ready) co_await breathe();
  BOOST_TEST(wrote.get() == 4u);
  BOOST_TEST(std::string(buffer.data(), got.get()) == "text");
}

CO_TEST(composed_reads_and_writes_work) {
  auto c = co_await cat();
  const std::string text = "a line\nand twelve bytes and the rest";
  std::size_t n = co_await asio::async_write(c.in(), asio::buffer(text), asio::use_awaitable);
  BOOST_TEST(n == text.size());
  c.in().close();

  std::string line;
  n = co_await asio::async_read_until(c.out(), asio::dynamic_buffer(line), '\n', asio::use_awaitable);
  BOOST_TEST(line.substr(0, n) == "a line\n");
  line.erase(0, n); // what it has read ahead is the caller's
  std::string rest;
  asio::error_code error;
  n = co_await asio::async_read(c.out(), asio::dynamic_buffer(rest),
                                asio::redirect_error(asio::use_awaitable, error));
  if (error == asio::error::operation_aborted) co_return;
  BOOST_TEST((error == asio::error::eof));
  BOOST_TEST(n == rest.size());
  BOOST_TEST(line + rest == "and twelve bytes and the rest");
}

CO_TEST(read_fills_a_buffer_exactly) {
  auto c = co_await cat();
  co_await c.in().write("0123456789");
  std::array<char, 4> part;
  std::size_t n = co_await asio::async_read(c.out(), asio::buffer(part), asio::use_awaitable);
  BOOST_TEST(n == 4u);
  BOOST_TEST(std::string(part.data(), 4) == "0123");
  std::array<asio::mutable_buffer, 2> both{asio::buffer(part.data(), 1), asio::buffer(part.data() + 1, 3)};
  n = co_await asio::async_read(c.out(), both, asio::use_awaitable);
  BOOST_TEST(std::string(part.data(), 4) == "4567");
}

CO_TEST(end_of_stream_is_eof) {
  auto c = co_await cat();
  c.in().close();
  char buffer[8];
  for (int i = 0; i != 2; ++i) {
    auto e = co_await thrown_by<std::system_error>(
        c.out().async_read_some(asio::buffer(buffer), asio::use_awaitable));
    BOOST_TEST((e.code() == asio::error::eof));
  }
}

CO_TEST(broken_pipe_comes_as_an_error_code) {
  auto c = co_await coproc::spawn(helper("exit=0").in(stdio::pipe()));
  co_await c.wait();
  std::error_code code;
  try {
    co_await asio::async_write(c.in(), asio::buffer("text", 4), asio::use_awaitable);
  } catch (const std::system_error& e) {
    code = e.code();
  }
  if (code == asio::error::operation_aborted) co_return;
  BOOST_TEST((code == std::errc::broken_pipe || code == asio::error::broken_pipe));
}

asio::awaitable<void> cat_into(std::optional<coproc::child>& target) { target = co_await cat(); }

BOOST_AUTO_TEST_CASE(callbacks_run_on_their_executor_and_never_inside_the_initiation) {
  leak_check nothing_left;
  asio::io_context loop;
  std::optional<coproc::child> c;
  asio::co_spawn(loop, cat_into(c), [](std::exception_ptr e) { BOOST_TEST(!e); });
  loop.run_for(deadline());
  BOOST_REQUIRE(c);

  auto strand = asio::make_strand(loop);
  const std::string text = "text";
  bool inside = true;
  int calls = 0;
  c->in().async_write_some(asio::buffer(text),
                           asio::bind_executor(strand, [&](asio::error_code error, std::size_t n) {
                             BOOST_TEST(!error);
                             BOOST_TEST(n == 4u);
                             BOOST_TEST(!inside);
                             BOOST_TEST(strand.running_in_this_thread());
                             ++calls;
                           }));
  char buffer[8];
  c->out().async_read_some(asio::buffer(buffer),
                           asio::bind_executor(strand, [&](asio::error_code error, std::size_t n) {
                             BOOST_TEST(!error);
                             BOOST_TEST(std::string(buffer, n) == "text");
                             BOOST_TEST(strand.running_in_this_thread());
                             ++calls;
                           }));
  inside = false;
  loop.restart();
  loop.run_for(deadline());
  BOOST_TEST(calls == 2);
  BOOST_TEST((c->in().get_executor() == loop.get_executor()));
  c.reset();
}

BOOST_AUTO_TEST_CASE(pending_read_is_work_and_can_be_cancelled) {
  leak_check nothing_left;
  asio::io_context loop;
  std::optional<coproc::child> c;
  asio::co_spawn(loop, cat_into(c), [](std::exception_ptr e) { BOOST_TEST(!e); });
  loop.run_for(deadline());
  BOOST_REQUIRE(c);
  for (auto type : {asio::cancellation_type::terminal, asio::cancellation_type::partial,
                    asio::cancellation_type::total}) {
    asio::cancellation_signal cancel;
    asio::error_code result;
    bool done = false;
    char buffer[8];
    c->out().async_read_some(
        asio::buffer(buffer),
        asio::bind_cancellation_slot(cancel.slot(), [&](asio::error_code error, std::size_t) {
          result = error;
          done = true;
        }));
    loop.restart();
    loop.poll();
    BOOST_TEST(!done);
    BOOST_TEST(!loop.stopped());
    cancel.emit(type);
    loop.run_for(deadline());
    BOOST_TEST(done);
    BOOST_TEST((result == asio::error::operation_aborted));
  }
  c.reset();
}

CO_TEST(second_operation_at_once_completes_with_already_started) {
  auto idle = helper("pause").in(stdio::pipe()).out(stdio::pipe());
  auto c = co_await coproc::spawn(std::move(idle));
  char buffer[8];
  auto line = co_await beside(c.out().read_line());
  co_await breathe();
  auto e = co_await thrown_by<std::system_error>(
      c.out().async_read_some(asio::buffer(buffer), asio::use_awaitable));
  BOOST_TEST((e.code() == asio::error::already_started));
  const std::string much(8'000'000, 'x');
  auto write = co_await beside(c.in().write(much));
  co_await breathe();
  e = co_await thrown_by<std::system_error>(c.in().async_write_some(asio::buffer(much), asio::use_awaitable));
  BOOST_TEST((e.code() == asio::error::already_started));
}

BOOST_AUTO_TEST_CASE(loop_destroyed_with_a_pending_read) {
  leak_check nothing_left;
  std::optional<coproc::child> c;
  char buffer[8];
  {
    asio::io_context loop;
    asio::co_spawn(loop, cat_into(c), [](std::exception_ptr e) { BOOST_TEST(!e); });
    loop.run_for(deadline());
    auto owned = std::make_shared<int>(1);
    std::weak_ptr<int> watched = owned;
    c->out().async_read_some(asio::buffer(buffer),
                             [owned](asio::error_code, std::size_t) { BOOST_ERROR("called"); });
    owned.reset();
    loop.restart();
    loop.poll();
    BOOST_TEST(!watched.expired());
  }
  c.reset();
}

BOOST_AUTO_TEST_SUITE_END()
