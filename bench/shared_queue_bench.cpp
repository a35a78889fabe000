// Question: how fast do items go from process to process, and how soon does one that waits learn of them?
// Unit: items a second, from the moment when all processes are ready to the moment when the last item is got;
// for the wake-up, the time of a round trip: two processes, each of which waits for the other's item. Varies:
// the size of an item, 64 B or 1 MB; how many processes put, and as many get: 1 or 4. Fixed: room for 1024
// small or 8 large items. Each is copied in and out. Limit: raw_ring, for one producer and one consumer, of
// slots of that size, which survives no death. raw_pipe is what the kernel offers.

#include "support/contest.hpp"
#include "support/crowd.hpp"
#include "support/peer.hpp"
#include "support/raw_ring.hpp"

#include <coproc/shared_queue.hpp>

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <boost/interprocess/ipc/message_queue.hpp>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include <unistd.h>

namespace bench {

namespace {

constexpr std::int64_t large = 1 << 20;

struct small_item {
  std::array<std::uint64_t, 8> words;
};
using large_item = std::vector<std::byte>;

template <class T>
T make_item(std::int64_t size) {
  if constexpr (std::is_same_v<T, large_item>)
    return large_item(static_cast<std::size_t>(size), std::byte{1});
  else
    return small_item{{1, 2, 3, 4, 5, 6, 7, 8}};
}

std::ptrdiff_t slots(const workload& work) { return work.width > 4096 ? 8 : 1024; }
int pairs(const workload& work) { return std::stoi(work.program); }

void run_loop(asio::awaitable<void> body) {
  asio::io_context loop(1);
  std::exception_ptr error;
  asio::co_spawn(loop, std::move(body), [&](std::exception_ptr e) { error = e; });
  loop.run();
  if (error) std::rethrow_exception(error);
}

template <class T>
asio::awaitable<void> put_all(coproc::shared_queue<T> queue, T item, std::int64_t count) {
  for (std::int64_t i = 0; i != count; ++i) co_await queue.put(item);
}

template <class T>
asio::awaitable<void> get_all(coproc::shared_queue<T> queue, std::int64_t count) {
  for (std::int64_t i = 0; i != count; ++i) co_await queue.get();
}

template <class T>
outcome coproc_awaiting(const workload& work) {
  coproc::shared_queue<T> queue(slots(work));
  crowd all;
  const std::int64_t each = work.count / pairs(work);
  const T item = make_item<T>(work.width);
  for (int i = 0; i != pairs(work); ++i) {
    all.add([&] { run_loop(put_all<T>(queue, item, each)); });
    all.add([&] { run_loop(get_all<T>(queue, each)); });
  }
  return {all.run(), {}};
}

template <class T>
outcome coproc_blocking(const workload& work) {
  coproc::shared_queue<T> queue(slots(work));
  crowd all;
  const std::int64_t each = work.count / pairs(work);
  const T item = make_item<T>(work.width);
  for (int i = 0; i != pairs(work); ++i) {
    all.add([&] {
      for (std::int64_t n = 0; n != each; ++n) queue.blocking_put(item);
    });
    all.add([&] {
      for (std::int64_t n = 0; n != each; ++n) queue.blocking_get();
    });
  }
  return {all.run(), {}};
}

outcome raw_ring(const workload& work) {
  raw::ring ring(static_cast<std::size_t>(slots(work)), static_cast<std::size_t>(work.width));
  crowd all;
  std::vector<char> item(static_cast<std::size_t>(work.width), 'i');
  all.add([&] {
    for (std::int64_t n = 0; n != work.count; ++n) ring.put(item.data());
  });
  all.add([&] {
    for (std::int64_t n = 0; n != work.count; ++n) ring.get(item.data());
  });
  return {all.run(), {}};
}

void write_all(int fd, const char* data, std::size_t size) {
  while (size != 0) {
    const ssize_t n = ::write(fd, data, size);
    if (n <= 0) fail("write");
    data += n;
    size -= static_cast<std::size_t>(n);
  }
}

void read_all(int fd, char* data, std::size_t size) {
  while (size != 0) {
    const ssize_t n = ::read(fd, data, size);
    if (n <= 0) fail("read");
    data += n;
    size -= static_cast<std::size_t>(n);
  }
}

struct pipe_pair {
  pipe_pair() {
    if (::pipe(ends) != 0) fail("pipe");
  }
  pipe_pair(const pipe_pair&) = delete;
  ~pipe_pair() {
    ::close(ends[0]);
    ::close(ends[1]);
  }
  int ends[2];
};

/// Small items are written whole (PIPE_BUF), so any number of processes can share it; large ones can't.
outcome raw_pipe(const workload& work) {
  pipe_pair pipe;
  crowd all;
  std::vector<char> item(static_cast<std::size_t>(work.width), 'i');
  const std::int64_t each = work.count / pairs(work);
  for (int i = 0; i != pairs(work); ++i) {
    all.add([&] {
      for (std::int64_t n = 0; n != each; ++n) write_all(pipe.ends[1], item.data(), item.size());
    });
    all.add([&] {
      for (std::int64_t n = 0; n != each; ++n) read_all(pipe.ends[0], item.data(), item.size());
    });
  }
  return {all.run(), {}};
}

outcome boost_message_queue(const workload& work) {
  namespace ipc = boost::interprocess;
  const std::string name = "coproc_bench_" + std::to_string(::getpid());
  ipc::message_queue::remove(name.c_str());
  ipc::message_queue queue(ipc::create_only, name.c_str(), static_cast<std::size_t>(slots(work)),
                           static_cast<std::size_t>(work.width));
  struct remover {
    ~remover() { ipc::message_queue::remove(name.c_str()); }
    const std::string& name;
  } removed_at_end{name};
  crowd all;
  std::vector<char> item(static_cast<std::size_t>(work.width), 'i');
  const std::int64_t each = work.count / pairs(work);
  for (int i = 0; i != pairs(work); ++i) {
    all.add([&] {
      for (std::int64_t n = 0; n != each; ++n) queue.send(item.data(), item.size(), 0);
    });
    all.add([&] {
      ipc::message_queue::size_type size = 0;
      unsigned priority = 0;
      for (std::int64_t n = 0; n != each; ++n) queue.receive(item.data(), item.size(), size, priority);
    });
  }
  return {all.run(), {}};
}

// The wake-up: what is measured is the process that starts each round trip.

asio::awaitable<void> ask(coproc::shared_queue<std::int64_t> there, coproc::shared_queue<std::int64_t> back,
                          std::int64_t count) {
  for (std::int64_t i = 0; i != count; ++i) {
    co_await there.put(i);
    co_await back.get();
  }
}

asio::awaitable<void> answer(coproc::shared_queue<std::int64_t> there,
                             coproc::shared_queue<std::int64_t> back, std::int64_t count) {
  for (std::int64_t i = 0; i != count; ++i) {
    const std::int64_t item = co_await there.get();
    co_await back.put(item);
  }
}

outcome wake_awaiting(const workload& work) {
  coproc::shared_queue<std::int64_t> there, back;
  crowd all;
  all.add([&] { run_loop(ask(there, back, work.count)); });
  all.add([&] { run_loop(answer(there, back, work.count)); });
  return {all.run(), {}};
}

outcome wake_blocking(const workload& work) {
  coproc::shared_queue<std::int64_t> there, back;
  crowd all;
  all.add([&] {
    for (std::int64_t i = 0; i != work.count; ++i) {
      there.blocking_put(i);
      back.blocking_get();
    }
  });
  all.add([&] {
    for (std::int64_t i = 0; i != work.count; ++i) back.blocking_put(there.blocking_get());
  });
  return {all.run(), {}};
}

outcome wake_ring(const workload& work) {
  raw::ring there(16, 8), back(16, 8);
  crowd all;
  all.add([&] {
    for (std::int64_t i = 0; i != work.count; ++i) {
      there.put(&i);
      std::int64_t got;
      back.get(&got);
    }
  });
  all.add([&] {
    for (std::int64_t i = 0; i != work.count; ++i) {
      std::int64_t got;
      there.get(&got);
      back.put(&got);
    }
  });
  return {all.run(), {}};
}

outcome wake_pipe(const workload& work) {
  pipe_pair there, back;
  crowd all;
  char byte = 'b';
  all.add([&] {
    for (std::int64_t i = 0; i != work.count; ++i) {
      write_all(there.ends[1], &byte, 1);
      read_all(back.ends[0], &byte, 1);
    }
  });
  all.add([&] {
    for (std::int64_t i = 0; i != work.count; ++i) {
      read_all(there.ends[0], &byte, 1);
      write_all(back.ends[1], &byte, 1);
    }
  });
  return {all.run(), {}};
}

template <class T>
void ask_size(const settings& how, std::int64_t size, std::int64_t count, std::int64_t python_divisor) {
  const std::string name = size == large ? "1MB" : std::to_string(size) + "B";
  for (int number : {1, 4}) {
    std::vector<contestant> all{{"coproc_blocking", coproc_blocking<T>, {}},
                                {"coproc", coproc_awaiting<T>, {}},
                                {"boost_message_queue", boost_message_queue, {}}};
    if (number == 1) all.push_back({"raw_ring", raw_ring, {}});
    if (number == 1 || size <= 4096) all.push_back({"raw_pipe", raw_pipe, {}});
    for (const char* question : {"shared_queue", "shared_queue_manager"}) {
      for (auto& peer : peers(question)) {
        if (question != std::string("shared_queue")) {
          peer.name += "_manager";
          peer.divisor = python_divisor * 8;
          peer.run = [run = peer.run](workload work) {
            work.question = "shared_queue_manager";
            return run(work);
          };
        } else
          peer.divisor = python_divisor;
        all.push_back(std::move(peer));
      }
    }
    compete("shared_queue/item:" + name + "/pairs:" + std::to_string(number), all,
            {"shared_queue", std::to_string(number), how.smoke ? 400 : count, size}, {},
            unit::items_per_second);
  }
}

} // namespace

void ask(const settings& how) {
  ask_size<small_item>(how, sizeof(small_item), 1'000'000, 20);
  ask_size<large_item>(how, large, 800, 4);
  std::vector<contestant> all{{"coproc_blocking", wake_blocking, {}},
                              {"coproc", wake_awaiting, {}},
                              {"raw_ring", wake_ring, {}},
                              {"raw_pipe", wake_pipe, {}}};
  for (auto& peer : peers("shared_queue_wake")) all.push_back(std::move(peer));
  compete("shared_queue_wake", all, {"shared_queue_wake", "1", how.smoke ? 10 : 5'000, 1}, {},
          unit::time_per_item);
}

} // namespace bench
