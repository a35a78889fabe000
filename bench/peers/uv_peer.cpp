// libuv: uv_spawn and its pipes, on one loop.

#include "../support/stall.hpp"

#include <cstdint>
#include <cstdio>
#include <fcntl.h>
#include <iostream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <sys/mman.h>
#include <unistd.h>
#include <uv.h>
#include <vector>

namespace {

using bench::outcome;
using bench::turn_watch;
using clock_type = std::chrono::steady_clock;

void check(int result, const char* what) {
  if (result < 0) throw std::runtime_error(std::string(what) + ": " + uv_strerror(result));
}

uv_loop_t* loop() { return uv_default_loop(); }

/// One child. With `out` or `in` they are pipes, else they are inherited.
class child {
public:
  child(std::vector<std::string> arguments, uv_pipe_t* in, uv_pipe_t* out, uv_exit_cb on_exit, void* data) {
    std::vector<char*> argv;
    for (auto& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    uv_stdio_container_t streams[3];
    const auto pipe_flags = UV_CREATE_PIPE;
    for (int fd = 0; fd < 3; ++fd) {
      streams[fd].flags = UV_INHERIT_FD;
      streams[fd].data.fd = fd;
    }
    if (in != nullptr) {
      streams[0].flags = static_cast<uv_stdio_flags>(pipe_flags | UV_READABLE_PIPE);
      streams[0].data.stream = reinterpret_cast<uv_stream_t*>(in);
    }
    if (out != nullptr) {
      streams[1].flags = static_cast<uv_stdio_flags>(pipe_flags | UV_WRITABLE_PIPE);
      streams[1].data.stream = reinterpret_cast<uv_stream_t*>(out);
    }
    uv_process_options_t options{};
    options.file = argv[0];
    options.args = argv.data();
    options.exit_cb = on_exit;
    options.stdio = streams;
    options.stdio_count = 3;
    process_.data = data;
    check(uv_spawn(loop(), &process_, &options), "uv_spawn");
  }

private:
  uv_process_t process_{};
};

// What is allocated here is freed by its last callback.

struct lanes {
  std::string program;
  std::int64_t left;
  bool failed = false;
};

void start_next(lanes& all);

void on_lane_exit(uv_process_t* process, std::int64_t status, int) {
  auto& all = *static_cast<lanes*>(process->data);
  all.failed = all.failed || status != 0;
  uv_close(reinterpret_cast<uv_handle_t*>(process),
           [](uv_handle_t* handle) { delete reinterpret_cast<child*>(handle); });
  if (!all.failed) start_next(all);
}

void start_next(lanes& all) {
  if (all.left == 0) return;
  --all.left;
  new child({all.program}, nullptr, nullptr, on_lane_exit, &all);
}

outcome start(const std::string& program, std::int64_t count, std::int64_t width) {
  lanes all{program, count};
  const auto begin = clock_type::now();
  for (std::int64_t n = 0; n < width; ++n) start_next(all);
  uv_run(loop(), UV_RUN_DEFAULT);
  const auto end = clock_type::now();
  if (all.failed) throw std::runtime_error("the program failed");
  return {end - begin};
}

/// A child whose stdout is collected or counted, and whose stdin may be fed.
struct exchange {
  std::vector<char> buffer;
  std::string output;
  bool keep = false;
  std::int64_t total = 0;
  std::int64_t status = -1;
  uv_pipe_t in{}, out{};
  uv_write_t write{};
};

void allocate(uv_handle_t* handle, std::size_t, uv_buf_t* buffer) {
  auto& what = *static_cast<exchange*>(handle->data);
  *buffer = uv_buf_init(what.buffer.data(), static_cast<unsigned>(what.buffer.size()));
}

void on_read(uv_stream_t* stream, ssize_t n, const uv_buf_t* buffer) {
  auto& what = *static_cast<exchange*>(stream->data);
  if (n < 0) {
    uv_close(reinterpret_cast<uv_handle_t*>(stream), nullptr);
    return;
  }
  what.total += n;
  if (what.keep) what.output.append(buffer->base, static_cast<std::size_t>(n));
}

void on_exchange_exit(uv_process_t* process, std::int64_t status, int) {
  static_cast<exchange*>(process->data)->status = status;
  uv_close(reinterpret_cast<uv_handle_t*>(process),
           [](uv_handle_t* handle) { delete reinterpret_cast<child*>(handle); });
}

void run_exchange(exchange& what, std::vector<std::string> arguments, std::string* input) {
  check(uv_pipe_init(loop(), &what.out, 0), "uv_pipe_init");
  check(uv_pipe_init(loop(), &what.in, 0), "uv_pipe_init");
  what.out.data = what.in.data = &what;
  new child(std::move(arguments), input != nullptr ? &what.in : nullptr, &what.out, on_exchange_exit, &what);
  check(uv_read_start(reinterpret_cast<uv_stream_t*>(&what.out), allocate, on_read), "uv_read_start");
  if (input != nullptr) {
    const uv_buf_t all = uv_buf_init(input->data(), static_cast<unsigned>(input->size()));
    const auto written = [](uv_write_t* request, int) {
      uv_close(reinterpret_cast<uv_handle_t*>(request->handle), nullptr);
    };
    check(uv_write(&what.write, reinterpret_cast<uv_stream_t*>(&what.in), &all, 1, written), "uv_write");
  } else {
    uv_close(reinterpret_cast<uv_handle_t*>(&what.in), nullptr);
  }
  uv_run(loop(), UV_RUN_DEFAULT);
  if (what.status != 0) throw std::runtime_error("the program failed");
}

outcome pipe(const std::string& program, std::int64_t count, std::int64_t width) {
  exchange what;
  what.buffer.resize(static_cast<std::size_t>(width));
  const auto begin = clock_type::now();
  run_exchange(what, {program, "bytes", std::to_string(count)}, nullptr);
  const auto end = clock_type::now();
  if (what.total != count) throw std::runtime_error("not all bytes came");
  return {end - begin};
}

outcome communicate(const std::string& program, std::int64_t count, std::int64_t width) {
  std::string input(static_cast<std::size_t>(width), 'i');
  clock_type::duration elapsed{};
  for (std::int64_t n = 0; n < count; ++n) {
    exchange what;
    what.keep = true;
    what.buffer.resize(65536);
    const auto begin = clock_type::now();
    run_exchange(what, {program}, &input);
    elapsed += clock_type::now() - begin;
    if (what.total != width) throw std::runtime_error("not all bytes came back");
  }
  return {elapsed};
}

struct stall_state {
  std::string program;
  std::int64_t left;
  turn_watch watch;
  uv_idle_t idle{};
};

void stall_next(stall_state& state);

void on_stall_exit(uv_process_t* process, std::int64_t, int) {
  auto& state = *static_cast<stall_state*>(process->data);
  state.watch.end();
  uv_close(reinterpret_cast<uv_handle_t*>(process),
           [](uv_handle_t* handle) { delete reinterpret_cast<child*>(handle); });
  stall_next(state);
}

void stall_next(stall_state& state) {
  if (state.left-- == 0) {
    uv_close(reinterpret_cast<uv_handle_t*>(&state.idle), nullptr);
    return;
  }
  state.watch.begin();
  new child({state.program}, nullptr, nullptr, on_stall_exit, &state);
}

outcome stall(const std::string& program, std::int64_t count, std::int64_t) {
  stall_state state{program, count, {}};
  uv_idle_init(loop(), &state.idle);
  state.idle.data = &state;
  uv_idle_start(&state.idle, [](uv_idle_t* idle) { static_cast<stall_state*>(idle->data)->watch.turn(); });
  stall_next(state);
  uv_run(loop(), UV_RUN_DEFAULT);
  return state.watch.result();
}

/// Ballast and open descriptors, on top of what the process has anyway.
void become(std::size_t mib, std::size_t descriptors) {
  static void* ballast = nullptr;
  static std::size_t size = 0;
  static std::vector<int> open_descriptors;
  if (ballast != nullptr) ::munmap(ballast, size);
  ballast = nullptr;
  for (int fd : open_descriptors) ::close(fd);
  open_descriptors.clear();
  while (open_descriptors.size() < descriptors)
    open_descriptors.push_back(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  if (mib == 0) return;
  size = mib << 20;
  void* memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::runtime_error("no memory for the ballast");
  ballast = memory;
  ::madvise(ballast, size, MADV_NOHUGEPAGE);
  for (std::size_t at = 0; at < size; at += 4096) static_cast<char*>(ballast)[at] = 1;
}

std::string answer(const std::string& line) {
  std::istringstream words(line);
  std::string question, program;
  words >> question;
  if (question == "hello")
    return std::string("ok libuv ") + uv_version_string() + ";start,pipe,communicate,stall";
  if (question == "host") {
    std::size_t mib = 0, descriptors = 0;
    words >> mib >> descriptors;
    become(mib, descriptors);
    return "ok 0";
  }
  std::int64_t count = 0, width = 0;
  words >> program >> count >> width;
  outcome result;
  if (question == "start")
    result = start(program, count, width);
  else if (question == "pipe")
    result = pipe(program, count, width);
  else if (question == "communicate")
    result = communicate(program, count, width);
  else if (question == "stall")
    result = stall(program, count, width);
  else
    return "error no such question";
  return "ok " + std::to_string(result.elapsed.count()) + " " + std::to_string(result.tail.count());
}

} // namespace

int main() {
  for (std::string line; std::getline(std::cin, line);) {
    std::string text;
    try {
      text = answer(line);
    } catch (const std::exception& error) {
      text = std::string("error ") + error.what();
    }
    std::cout << text << std::endl;
  }
}
