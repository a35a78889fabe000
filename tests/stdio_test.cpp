#include <coproc/stdio.hpp>

#include <coproc/run.hpp>
#include <coproc/spawn.hpp>

#include "support/co_test.hpp"
#include "support/expect.hpp"
#include "support/helper.hpp"
#include "support/host_state.hpp"
#include "support/process_info.hpp"

#include <string>
#include <system_error>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace coproc::test;

BOOST_AUTO_TEST_SUITE(stdio)

using coproc::stdio;

CO_TEST(null_is_empty_and_swallows) {
  auto c = helper("link=/proc/self/fd/0", "cat", "link=/proc/self/fd/2", "err=lost").err(stdio::null());
  auto result = co_await coproc::run(std::move(c));
  BOOST_TEST(result.out == "/dev/null\n/dev/null\n");
  BOOST_TEST(result.err.empty());
  auto silent = helper("out=lost").out(stdio::null());
  result = co_await coproc::run(std::move(silent));
  BOOST_TEST(result.out.empty());
  BOOST_TEST(result.status.success());
}

CO_TEST(file_is_read_from_its_start) {
  scratch_directory scratch;
  auto file = scratch.file("in", "the content");
  auto c = helper("cat").in(stdio::file(file));
  auto result = co_await coproc::run(std::move(c));
  BOOST_TEST(result.out == "the content");
}

CO_TEST(file_is_created_or_truncated_as_an_output) {
  scratch_directory scratch;
  auto file = scratch.file("out", "something longer that was there before");
  auto c = helper("out=new").out(stdio::file(file)).err(stdio::file(scratch.path() / "err")).arg("err=made");
  co_await coproc::run(c);
  BOOST_TEST(content_of(file) == "new");
  BOOST_TEST(content_of(scratch.path() / "err") == "made");
}

CO_TEST(file_mode_is_0666_less_the_umask) {
  scratch_directory scratch;
  const mode_t before = ::umask(027);
  auto c = helper("exit=0").out(stdio::file(scratch.path() / "out"));
  std::exception_ptr error;
  try {
    coproc::child started = co_await coproc::spawn(std::move(c));
    ::umask(before);
    co_await started.wait();
  } catch (...) {
    ::umask(before);
    throw;
  }
  struct stat status {};
  BOOST_TEST(::stat((scratch.path() / "out").c_str(), &status) == 0);
  BOOST_TEST((status.st_mode & 0777) == 0640u);
}

CO_TEST(append_writes_at_the_end) {
  scratch_directory scratch;
  auto file = scratch.file("log", "before ");
  auto first = helper("out=one ").out(stdio::append(file));
  co_await coproc::run(std::move(first));
  auto second = helper("err=two").err(stdio::append(file));
  co_await coproc::run(std::move(second));
  BOOST_TEST(content_of(file) == "before one two");
  auto fresh = helper("out=new").out(stdio::append(scratch.path() / "made"));
  co_await coproc::run(std::move(fresh));
  BOOST_TEST(content_of(scratch.path() / "made") == "new");
}

CO_TEST(append_outputs_interleave_without_loss) {
  scratch_directory scratch;
  auto file = scratch.path() / "log";
  auto c = helper("out=1", "err=2", "out=3", "err=4").out(stdio::append(file)).err(stdio::append(file));
  co_await coproc::run(std::move(c));
  BOOST_TEST(content_of(file) == "1234");
}

CO_TEST(both_outputs_on_one_file_share_an_offset) {
  scratch_directory scratch;
  auto file = scratch.path() / "both";
  auto c = helper("out=1", "err=2", "out=3", "err=4").out(stdio::file(file)).err(stdio::file(file));
  co_await coproc::run(std::move(c));
  BOOST_TEST(content_of(file) == "1234");
}

CO_TEST(one_file_by_two_names_shares_an_offset) {
  scratch_directory scratch;
  auto file = scratch.path() / "both";
  auto c = helper("out=1", "err=2", "out=3", "err=4")
               .out(stdio::file(file))
               .err(stdio::file(scratch.path() / "." / "both"));
  co_await coproc::run(std::move(c));
  BOOST_TEST(content_of(file) == "1234");
}

CO_TEST(file_is_relative_to_the_hosts_directory) {
  scratch_directory scratch;
  scratch.file("sub/in", "wrong");
  auto right = scratch.file("in", "right");
  auto relative = std::filesystem::relative(right);
  auto c = helper("cat").in(stdio::file(relative)).cwd(scratch.path() / "sub");
  auto result = co_await coproc::run(std::move(c));
  BOOST_TEST(result.out == "right");
}

CO_TEST(fifo_is_refused_without_blocking) {
  scratch_directory scratch;
  auto fifo = scratch.path() / "fifo";
  BOOST_TEST(::mkfifo(fifo.c_str(), 0644) == 0);
  std::vector<coproc::command> all;
  all.push_back(helper("cat").in(stdio::file(fifo)));
  all.push_back(helper("cat").out(stdio::file(fifo)));
  all.push_back(helper("cat").err(stdio::append(fifo)));
  for (auto& c : all) {
    auto e = co_await thrown_by<std::system_error>(coproc::spawn(c));
    BOOST_TEST((e.code() == std::errc::invalid_argument));
    CHECK_CONTAINS(std::string(e.what()), fifo.string());
  }
}

CO_TEST(fd_is_passed_and_stays_open_in_the_host) {
  auto [read_end, write_end] = make_pipe();
  auto c = helper("out=through the host's pipe").out(stdio::fd(write_end.get()));
  co_await coproc::run(std::move(c));
  BOOST_TEST(::fcntl(write_end.get(), F_GETFD) == FD_CLOEXEC);
  write_end.close();
  BOOST_TEST(read_to_end(read_end.get()) == "through the host's pipe");
}

CO_TEST(one_fd_may_serve_several_streams) {
  auto [read_end, write_end] = make_pipe();
  auto c = helper("out=1", "err=2").out(stdio::fd(write_end.get())).err(stdio::fd(write_end.get()));
  co_await coproc::run(std::move(c));
  write_end.close();
  BOOST_TEST(read_to_end(read_end.get()) == "12");
}

CO_TEST(merge_follows_stdout_in_order) {
  auto c = helper("out=1", "err=2", "out=3").err(stdio::merge());
  auto result = co_await coproc::run(c);
  BOOST_TEST(result.out == "123");
  BOOST_TEST(result.err.empty());
  scratch_directory scratch;
  c.out(stdio::file(scratch.path() / "both")); // also when out is said after it
  co_await coproc::run(c);
  BOOST_TEST(content_of(scratch.path() / "both") == "123");
}

CO_TEST(merge_into_an_inherited_stdout) {
  auto [read_end, write_end] = make_pipe();
  {
    auto c = helper("err=merged").out(stdio::inherit()).err(stdio::merge());
    coproc::child started;
    {
      redirected out(1, write_end.get());
      started = co_await coproc::spawn(std::move(c));
    }
    co_await started.wait();
  }
  write_end.close();
  BOOST_TEST(read_to_end(read_end.get()) == "merged");
}

CO_TEST(hosts_outputs_can_be_swapped) {
  auto [out_read, out_write] = make_pipe();
  auto [err_read, err_write] = make_pipe();
  auto c = helper("out=on stderr", "err=on stdout").out(stdio::fd(2)).err(stdio::fd(1));
  coproc::child started;
  {
    redirected out(1, out_write.get());
    redirected err(2, err_write.get());
    started = co_await coproc::spawn(std::move(c));
  }
  auto status = co_await started.wait();
  BOOST_TEST(status.success());
  out_write.close();
  err_write.close();
  BOOST_TEST(read_to_end(out_read.get()) == "on stdout");
  BOOST_TEST(read_to_end(err_read.get()) == "on stderr");
}

CO_TEST(streams_can_rotate) {
  scratch_directory scratch;
  auto in = open_descriptor(scratch.path() / "a", O_RDWR | O_CREAT);
  auto out = open_descriptor(scratch.path() / "b", O_RDWR | O_CREAT);
  auto err = open_descriptor(scratch.path() / "c", O_RDWR | O_CREAT);
  auto c = helper("out=new stdout", "err=new stderr").in(stdio::fd(1)).out(stdio::fd(2)).err(stdio::fd(0));
  coproc::child started;
  {
    redirected zero(0, in.get());
    redirected one(1, out.get());
    redirected two(2, err.get());
    started = co_await coproc::spawn(std::move(c));
  }
  co_await started.wait();
  BOOST_TEST(content_of(scratch.path() / "a") == "new stderr");
  BOOST_TEST(content_of(scratch.path() / "c") == "new stdout");
}

CO_TEST(bytes_are_all_of_the_input) {
  auto c = helper("cat").in(stdio::bytes("some\0bytes"));
  auto result = co_await coproc::run(std::move(c));
  BOOST_TEST(result.out == "some");
  const std::string binary("a\0b\xff\r\n", 6);
  auto exact = helper("cat").in(stdio::bytes(binary));
  result = co_await coproc::run(std::move(exact));
  BOOST_TEST((result.out == binary));
}

CO_TEST(no_bytes_are_an_empty_input) {
  auto c = helper("cat", "out=end").in(stdio::bytes(""));
  auto result = co_await coproc::run(std::move(c));
  BOOST_TEST(result.out == "end");
}

CO_TEST(last_choice_of_a_stream_wins) {
  auto c = helper("cat").in(stdio::null()).input("given").out(stdio::null()).out(stdio::pipe());
  auto result = co_await coproc::run(std::move(c));
  BOOST_TEST(result.out == "given");
}

CO_TEST(works_with_the_hosts_own_streams_closed) {
  const char* cases[] = {"0", "1", "2", "0,1", "1,2", "0,2", "0,1,2"};
  for (std::string which : cases) {
    auto ends = make_pipe();
    auto c = coproc::command(host_path(), "lose-streams", which, std::to_string(ends.second.get()))
                 .inherit_fd(ends.second.get());
    auto result = co_await coproc::run(std::move(c));
    BOOST_TEST(result.status.to_string() == "exited with code 0",
               "with " << which << " closed: " << result.err);
    ends.second.close();
    BOOST_TEST(read_to_end(ends.first.get()) == "message input 0 1 2\n");
  }
}

BOOST_AUTO_TEST_SUITE_END()
