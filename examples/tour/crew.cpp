#include "crew.hpp"

#include <coproc/child.hpp>
#include <coproc/run.hpp>
#include <coproc/spawn.hpp>

#include <asio/buffer.hpp>

#include <chrono>
#include <utility>

namespace tour {

namespace {

asio::awaitable<void> take_lines(coproc::output_stream& from,
                                 const std::function<void(std::string_view)>& take) {
  while (auto line = co_await from.read_line()) {
    take(*line);
    while (auto next = from.try_read_line()) take(*next); // those that came with it, without suspending
  }
}

asio::awaitable<void> take_records(coproc::output_stream& from, char terminator,
                                   const std::function<void(std::string_view)>& take) {
  std::vector<char> piece(64 * 1024);
  std::string begun; // a record whose end has not come yet
  while (const std::size_t size = co_await from.read_some(asio::buffer(piece))) {
    std::string_view rest(piece.data(), size);
    for (auto end = rest.find(terminator); end != rest.npos; end = rest.find(terminator)) {
      take(begun.append(rest.substr(0, end)));
      begun.clear();
      rest.remove_prefix(end + 1);
    }
    begun += rest;
  }
  if (!begun.empty()) take(begun);
}

} // namespace

asio::awaitable<coproc::completed> crew::run(std::string what, coproc::command program) {
  coproc::permit place = co_await places_.acquire();
  coproc::completed done = co_await coproc::run(std::move(program));
  note(std::move(what), done.elapsed, done.usage);
  co_return done;
}

asio::awaitable<coproc::completed> crew::run(std::string what, coproc::pipeline stages) {
  coproc::permit place = co_await places_.acquire();
  coproc::completed done = co_await coproc::run(std::move(stages));
  note(std::move(what), done.elapsed, done.usage);
  co_return done;
}

asio::awaitable<coproc::exit_status> crew::stream(std::string what, coproc::command program, char terminator,
                                                  std::function<void(std::string_view)> take) {
  coproc::permit place = co_await places_.acquire();
  const auto start = std::chrono::steady_clock::now();
  program.in(coproc::stdio::null()).out(coproc::stdio::pipe());
  coproc::child child = co_await coproc::spawn(std::move(program));
  if (terminator == '\n')
    co_await take_lines(child.out(), take);
  else
    co_await take_records(child.out(), terminator, take);
  coproc::exit_status status = co_await child.wait();
  note(std::move(what), std::chrono::steady_clock::now() - start,
       child.usage().value_or(coproc::resource_usage()));
  co_return status;
}

void crew::note(std::string what, coproc::duration elapsed, const coproc::resource_usage& usage) {
  entries_.push_back({std::move(what), elapsed, usage.user + usage.system});
}

} // namespace tour
