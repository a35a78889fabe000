// The standard streams of a function process, and what else it gets from its host as of its start.
#include <coproc/process.hpp>

#include "support/expect.hpp"
#include "support/fault.hpp"
#include "support/host_state.hpp"
#include "support/method_test.hpp"
#include "support/pending.hpp"

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <string>
#include <thread>

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace coproc::test;

BOOST_AUTO_TEST_SUITE(worker_streams)

using coproc::process;
using coproc::process_options;
using coproc::start_method;
using coproc::stdio;
using coproc::target;
using os_call = coproc::os::call;

void print(std::string text) { std::printf("%s", text.c_str()); }
void write_out(std::string text) { std::cout << text; }
void write_unsynchronised(std::string text) {
  std::ios::sync_with_stdio(false);
  std::cout << text;
  std::clog << text;
}
void print_both(std::string out, std::string err) {
  std::fputs(out.c_str(), stdout);
  std::fflush(stdout);
  std::fputs(err.c_str(), stderr);
}
void print_and_throw() {
  std::printf("before");
  throw 1;
}
void print_and_exit() {
  std::printf("before");
  std::exit(0);
}
std::string read_all() {
  std::string text;
  char buffer[4096];
  for (ssize_t n; (n = ::read(0, buffer, sizeof buffer)) > 0;)
    text.append(buffer, static_cast<std::size_t>(n));
  return text;
}
void close_out_and_wait() {
  std::fputs("all", stdout);
  std::fflush(stdout);
  ::close(1);
  read_all();
}
void copy() {
  std::string line;
  while (std::getline(std::cin, line)) std::cout << "got " << line << std::endl;
}

METHOD_TEST_ONCE(what_was_written_is_flushed_at_the_end) {
  for (std::string text : {"with newline\n", "without", ""}) {
    process c{by(method).out(stdio::pipe()), target<print>, text};
    co_await c.start();
    std::string out = co_await c.out().read_all();
    BOOST_TEST(out == text);
    process cpp{by(method).out(stdio::pipe()), target<write_out>, text};
    co_await cpp.start();
    out = co_await cpp.out().read_all();
    BOOST_TEST(out == text);
    process own{by(method).out(stdio::pipe()).err(stdio::merge()), target<write_unsynchronised>, text};
    co_await own.start();
    out = co_await own.out().read_all();
    BOOST_TEST(out.size() == 2 * text.size());
  }
  process throws{by(method).out(stdio::pipe()), target<print_and_throw>};
  co_await throws.start();
  std::string out = co_await throws.out().read_all();
  BOOST_TEST(out == "before");
  process exits{by(method).out(stdio::pipe()), target<print_and_exit>};
  co_await exits.start();
  out = co_await exits.out().read_all();
  BOOST_TEST(out == "before");
}

/// Ends while another thread waits for input, and with something in a stream of its own.
void end_beside_a_reader(std::string path) {
  std::thread([] {
    std::string line;
    std::getline(std::cin, line);
  }).detach();
  while (::ftrylockfile(stdin) == 0) { // it does not read yet
    ::funlockfile(stdin);
    std::this_thread::yield();
  }
  std::FILE* const file = std::fopen(path.c_str(), "w");
  std::fputs("kept", file);
  std::printf("printed");
}

METHOD_TEST_ONCE(end_does_not_wait_for_a_thread_that_reads) {
  scratch_directory scratch;
  const auto path = scratch.path() / "file";
  process p{by(method).in(stdio::pipe()).out(stdio::pipe()), target<end_beside_a_reader>, path.string()};
  co_await p.start();
  co_await p.result();
  std::string out = co_await p.out().read_all();
  BOOST_TEST(out == "printed");
  // A fork of the host leaves alone what it has copies of.
  BOOST_TEST(content_of(path) == (method == start_method::fork ? "" : "kept"));
}

METHOD_TEST(pipes_work_both_ways) {
  process p{by(method).in(stdio::pipe()).out(stdio::pipe()), target<copy>};
  co_await p.start();
  for (std::string text : {"one", "two"}) {
    co_await p.in().write(text + "\n");
    auto line = co_await p.out().read_line();
    BOOST_TEST(line.value() == "got " + text);
  }
  p.in().close();
  auto line = co_await p.out().read_line();
  BOOST_TEST(!line);
  co_await p.result();
}

METHOD_TEST_ONCE(stream_that_the_child_closes_ends) {
  process p{by(method).in(stdio::pipe()).out(stdio::pipe()), target<close_out_and_wait>};
  co_await p.start();
  std::string out = co_await p.out().read_all();
  BOOST_TEST(out == "all");
  BOOST_TEST(p.is_alive());
  p.in().close();
  co_await p.join();
}

METHOD_TEST_ONCE(bytes_are_fed_to_it) {
  for (std::size_t size : {std::size_t(0), std::size_t(5), std::size_t(1'000'000)}) {
    process p{by(method).in(stdio::bytes(std::string(size, 'x'))), target<read_all>};
    co_await p.start();
    std::string text = co_await p.result();
    BOOST_TEST(text.size() == size);
  }
}

METHOD_TEST_ONCE(stdin_is_empty_by_default) {
  process p{by(method), target<read_all>};
  co_await p.start();
  std::string text = co_await p.result();
  BOOST_TEST(text == "");
  BOOST_CHECK_THROW(p.in(), std::logic_error);
  BOOST_CHECK_THROW(p.out(), std::logic_error);
  BOOST_CHECK_THROW(p.err(), std::logic_error);
}

METHOD_TEST_ONCE(files_null_and_descriptors) {
  scratch_directory scratch;
  const auto in = scratch.file("in", "from a file");
  process reads{by(method).in(stdio::file(in)), target<read_all>};
  co_await reads.start();
  std::string text = co_await reads.result();
  BOOST_TEST(text == "from a file");

  const auto out = scratch.path() / "out";
  for (std::string expected : {"12", "12"}) { // file() begins anew, append() goes on
    process first{by(method).out(stdio::file(out)).err(stdio::null()), target<print_both>, "1", "lost"};
    co_await first.start();
    co_await first.join();
    process second{by(method).out(stdio::null()).err(stdio::append(out)), target<print_both>, "lost", "2"};
    co_await second.start();
    co_await second.join();
    BOOST_TEST(content_of(out) == expected);
  }

  auto [read_end, write_end] = make_pipe();
  process fd{by(method).out(stdio::fd(write_end.get())), target<print>, "by descriptor"};
  co_await fd.start();
  write_end.close();
  BOOST_TEST(read_to_end(read_end.get()) == "by descriptor");

  process merged{by(method).out(stdio::pipe()).err(stdio::merge()), target<print_both>, "out ", "err"};
  co_await merged.start();
  text = co_await merged.out().read_all();
  BOOST_TEST(text == "out err");
  process apart{by(method).out(stdio::pipe()).err(stdio::pipe()), target<print_both>, "out", "err"};
  co_await apart.start();
  text = co_await apart.err().read_all();
  BOOST_TEST(text == "err");
  text = co_await apart.out().read_all();
  BOOST_TEST(text == "out");
}

METHOD_TEST_ONCE(stream_that_cannot_be_had_is_named) {
  process no_file{by(method).name("p").in(stdio::file("/no/such/file")), target<read_all>};
  auto error = co_await thrown_by<std::system_error>(no_file.start());
  BOOST_TEST((error.code() == std::errc::no_such_file_or_directory));
  CHECK_CONTAINS(std::string(error.what()), "start 'p': cannot open stdin '/no/such/file'");
  process no_fd{by(method).name("p").out(stdio::fd(999)), target<read_all>};
  error = co_await thrown_by<std::system_error>(no_fd.start());
  BOOST_TEST((error.code() == std::errc::bad_file_descriptor));
  CHECK_CONTAINS(std::string(error.what()), "start 'p': cannot redirect stdout");
}

METHOD_TEST_ONCE(inherited_streams_are_those_of_the_moment) {
  for (std::string text : {"first", "second"}) {
    auto [read_end, write_end] = make_pipe();
    process p{by(method), target<print>, text};
    {
      redirected out(1, write_end.get());
      co_await p.start();
    }
    co_await p.join();
    write_end.close();
    BOOST_TEST(read_to_end(read_end.get()) == text);
  }
}

struct surroundings {
  std::string directory;
  std::string variable;
  unsigned mask = 0;
  bool blocked = false;
  bool ignored = false;
};

surroundings look_around() {
  surroundings s;
  s.directory = std::filesystem::current_path();
  const char* value = std::getenv("COPROC_TEST_VARIABLE");
  s.variable = value ? value : "(unset)";
  s.mask = ::umask(0);
  sigset_t mask;
  ::sigprocmask(SIG_SETMASK, nullptr, &mask);
  s.blocked = ::sigismember(&mask, SIGUSR1) != 0;
  struct sigaction now {};
  ::sigaction(SIGUSR2, nullptr, &now);
  s.ignored = now.sa_handler == SIG_IGN;
  return s;
}

/// Undoes what a test does to this process's directory and umask.
class as_before {
public:
  as_before() : directory_(std::filesystem::current_path()), mask_(::umask(022)) { ::umask(mask_); }
  as_before(const as_before&) = delete;
  ~as_before() {
    std::filesystem::current_path(directory_);
    ::umask(mask_);
  }

private:
  std::filesystem::path directory_;
  mode_t mask_;
};

METHOD_TEST_ONCE(surroundings_are_the_hosts_as_of_the_start) {
  as_before guard;
  scratch_directory a, b;
  unsigned mask = 027;
  for (const scratch_directory* scratch : {&a, &b, &a}) {
    process p{by(method), target<look_around>};
    std::filesystem::current_path(scratch->path());
    ::umask(mask);
    host_variable variable("COPROC_TEST_VARIABLE", scratch->path().c_str());
    co_await p.start();
    surroundings s = co_await p.result();
    BOOST_TEST(s.directory == scratch->path().string());
    BOOST_TEST(s.variable == scratch->path().string());
    BOOST_TEST(s.mask == mask);
    mask ^= 055;
  }
  process p{by(method), target<look_around>};
  co_await p.start();
  surroundings s = co_await p.result();
  BOOST_TEST(s.variable == "(unset)");
}

int parent_of_child() { return ::getppid(); }

CO_TEST_ONCE(server_is_told_of_the_surroundings_when_they_change) {
  as_before guard;
  {
    process p{target<look_around>};
    co_await p.start();
    (void)co_await p.result();
  }
  counted_calls opened(os_call::open);
  process same{target<look_around>};
  co_await same.start();
  surroundings s = co_await same.result();
  BOOST_TEST(s.directory == std::filesystem::current_path().string());
  BOOST_TEST(opened.count() == 0u);
}

std::string read_mark() {
  std::ifstream file("mark");
  std::string text;
  file >> text;
  return text;
}

METHOD_TEST_ONCE(directory_of_the_same_name_is_another_one) {
  as_before guard;
  scratch_directory scratch;
  const std::filesystem::path place = std::filesystem::path(scratch.path()) / "place";
  for (int i = 0; i != 5; ++i) {
    std::filesystem::remove_all(place);
    std::filesystem::create_directory(place);
    std::filesystem::current_path(place);
    std::ofstream("mark") << i;
    process p{by(method), target<read_mark>};
    co_await p.start();
    std::string mark = co_await p.result();
    BOOST_TEST(mark == std::to_string(i));
  }
}

CO_TEST_ONCE(surroundings_reach_a_server_that_had_no_room_for_them) {
  as_before guard;
  scratch_directory scratch;
  process<int> first{target<parent_of_child>};
  co_await first.start();
  const int server = co_await first.result();
  std::filesystem::current_path(scratch.path());
  host_variable variable("COPROC_TEST_VARIABLE", "new");
  rlimit before{};
  BOOST_REQUIRE(::prlimit(server, RLIMIT_NOFILE, nullptr, &before) == 0);
  rlimit few = before;
  few.rlim_cur = 3;
  BOOST_REQUIRE(::prlimit(server, RLIMIT_NOFILE, &few, nullptr) == 0);
  process a{target<look_around>}, b{target<look_around>};
  auto other = co_await beside(a.start()); // the second one relies on what goes with the first
  auto error = co_await thrown_by<std::system_error>(b.start());
  BOOST_TEST((error.code() == std::errc::too_many_files_open));
  auto first_error = co_await thrown_by<std::system_error>(other.result());
  BOOST_TEST((first_error.code() == std::errc::too_many_files_open));
  BOOST_REQUIRE(::prlimit(server, RLIMIT_NOFILE, &before, nullptr) == 0);
  co_await a.start();
  surroundings s = co_await a.result();
  BOOST_TEST(s.directory == std::string(scratch.path()));
  BOOST_TEST(s.variable == "new");
}

CO_TEST_ONCE(working_directory_that_the_server_cannot_enter) {
  host_variable failing("COPROC_TEST_FAULT", "fchdir 13 1"); // EACCES, once, in a server that starts now
  process<surroundings> p(process_options().name("victim"), target<look_around>);
  auto error = co_await thrown_by<std::system_error>(p.start());
  BOOST_TEST((error.code() == std::errc::permission_denied));
  CHECK_CONTAINS(std::string(error.what()), "start 'victim': cannot go to the working directory");
  BOOST_TEST(!p.is_alive());
  co_await p.start();
  surroundings s = co_await p.result();
  BOOST_TEST(s.directory == std::filesystem::current_path().string());
}

METHOD_TEST_ONCE(signals_are_as_for_a_new_program) {
  blocked_signals all;
  disposition ignored(SIGUSR2, SIG_IGN);
  process p{by(method), target<look_around>};
  co_await p.start();
  surroundings s = co_await p.result();
  BOOST_TEST(!s.blocked);
  BOOST_TEST(!s.ignored);
}

int number() { return 7; }

METHOD_TEST_ONCE(host_that_ignores_sigchld) {
  disposition ignored(SIGCHLD, SIG_IGN);
  process p{by(method), target<number>};
  co_await p.start();
  int result = co_await p.result();
  BOOST_TEST(result == 7);
  BOOST_TEST(p.status()->known() == (method == start_method::forkserver), "its server does not");
  process dropped{by(method), target<read_all>};
  co_await dropped.start();
}

BOOST_AUTO_TEST_SUITE_END()
