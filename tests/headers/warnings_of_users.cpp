// What a program may pass without a warning from within the headers, whichever warnings it has on: arguments
// are converted there, and the compiler no longer sees that a literal fits.
#include <coproc/pool.hpp>
#include <coproc/process.hpp>
#include <coproc/queue.hpp>
#include <coproc/shared_queue.hpp>

#include <chrono>
#include <cstddef>
#include <ranges>
#include <string>
#include <tuple>
#include <vector>

namespace {

enum class colour { red };

struct job {
  std::string name;
  int priority = 0;
  std::vector<int> parts;
};

float scale(float by, short times, std::size_t count, double) {
  return by * static_cast<float>(times) * static_cast<float>(count);
}
long square(long n) { return n * n; }
bool is_red(colour c, bool) { return c == colour::red; }

asio::awaitable<void> all() {
  coproc::process scaler{coproc::target<scale>, 2, 3, 4, 5};
  coproc::process painter{coproc::target<is_red>, colour::red, true};
  co_await scaler.start();
  co_await painter.start();

  coproc::pool workers(co_await asio::this_coro::executor, 2);
  co_await workers.apply<scale>(1, 2, 3, 4);
  co_await workers.map<square>(std::views::iota(0L, 10L));
  co_await workers.map<square>(std::vector<unsigned>(3));
  auto squares = workers.imap<square>(std::views::iota(0));
  co_await squares.next();
  std::vector<std::tuple<int, int, int, int>> rows(2);
  co_await workers.starmap<scale>(rows);

  coproc::queue<std::size_t> sizes(3);
  sizes.put_nowait(1);
  co_await sizes.put(2);
  coproc::queue<job> jobs;
  co_await jobs.emplace("first");
  coproc::shared_queue<job> shared_jobs;
  co_await shared_jobs.emplace("first", 1);
  coproc::shared_queue<std::size_t> shared(3);
  shared.put_nowait(1);
  co_await shared.put(2, std::chrono::seconds(1));
}

} // namespace

asio::awaitable<void> use_all();
asio::awaitable<void> use_all() { return all(); }
