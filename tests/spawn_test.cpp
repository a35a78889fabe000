#include <coproc/spawn.hpp>

#include <coproc/run.hpp>

#include "support/build.hpp"
#include "support/co_test.hpp"
#include "support/expect.hpp"
#include "support/fault.hpp"
#include "support/helper.hpp"
#include "support/host_state.hpp"
#include "support/leak_check.hpp"
#include "support/pending.hpp"
#include "support/process_info.hpp"

#include <cerrno>
#include <filesystem>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

#include <fcntl.h>
#include <sys/resource.h>

using namespace coproc::test;
namespace fs = std::filesystem;

BOOST_AUTO_TEST_SUITE(spawn)

using coproc::command;
using coproc::stdio;
using os_call = coproc::os::call;

/// What spawn() throws.
asio::awaitable<std::system_error> failure_of(command program) {
  co_return co_await thrown_by<std::system_error>(coproc::spawn(std::move(program)));
}

CO_TEST(missing_program_is_named) {
  auto e = co_await failure_of(command("nslookp"));
  BOOST_TEST((e.code() == std::errc::no_such_file_or_directory));
  BOOST_TEST(std::string(e.what()) == "spawn 'nslookp': No such file or directory");
  e = co_await failure_of(command("/no/such/program"));
  BOOST_TEST((e.code() == std::errc::no_such_file_or_directory));
  CHECK_CONTAINS(std::string(e.what()), "spawn '/no/such/program'");
}

CO_TEST(program_that_may_not_be_executed_is_named) {
  scratch_directory scratch;
  auto file = scratch.file("plain", "text");
  auto e = co_await failure_of(command(file.string()));
  BOOST_TEST((e.code() == std::errc::permission_denied));
  CHECK_CONTAINS(std::string(e.what()), file.string());
}

CO_TEST(directory_is_no_program) {
  auto e = co_await failure_of(command("/tmp/"));
  BOOST_TEST((e.code() == std::errc::permission_denied));
  e = co_await failure_of(command("/etc/passwd/x"));
  BOOST_TEST((e.code() == std::errc::not_a_directory));
  CHECK_CONTAINS(std::string(e.what()), "/etc/passwd/x");
}

CO_TEST(file_that_is_no_executable_is_an_error) {
  scratch_directory scratch;
  auto file = scratch.file("garbage", "no format that a kernel knows\n", 0755);
  auto e = co_await failure_of(command(file.string()));
  BOOST_TEST((e.code() == std::errc::executable_format_error));
}

CO_TEST(missing_interpreter_is_told_from_a_missing_script) {
  scratch_directory scratch;
  auto file = scratch.file("script", "#!/no/such/interpreter\n", 0755);
  auto e = co_await failure_of(command(file.string()));
  BOOST_TEST((e.code() == std::errc::no_such_file_or_directory));
  CHECK_CONTAINS(std::string(e.what()), "interpreter");
}

CO_TEST(script_with_an_interpreter_runs) {
  scratch_directory scratch;
  auto file = scratch.file("script", "#!/bin/sh\necho \"$0 $1\"\n", 0755);
  auto result = co_await coproc::run(command(file.string(), "argument"));
  BOOST_TEST(result.out == file.string() + " argument\n");
}

CO_TEST(missing_working_directory_is_blamed_itself) {
  auto c = helper("exit=0").cwd("/no/such/directory");
  auto e = co_await failure_of(std::move(c));
  BOOST_TEST((e.code() == std::errc::no_such_file_or_directory));
  CHECK_CONTAINS(std::string(e.what()), "/no/such/directory");
  CHECK_CONTAINS(std::string(e.what()), "directory to");
  auto file = helper("exit=0").cwd("/etc/passwd");
  e = co_await failure_of(std::move(file));
  BOOST_TEST((e.code() == std::errc::not_a_directory));
  CHECK_CONTAINS(std::string(e.what()), "/etc/passwd");
}

CO_TEST(too_long_arguments_are_an_error) {
  command c = helper("exit=0");
  for (int i = 0; i != 40; ++i) c.arg(std::string(120'000, 'x'));
  auto e = co_await failure_of(std::move(c));
  BOOST_TEST((e.code() == std::errc::argument_list_too_long));
  e = co_await failure_of(command("/" + std::string(5000, 'x')));
  BOOST_TEST((e.code() == std::errc::filename_too_long));
}

CO_TEST(file_of_a_stream_that_cannot_be_opened_is_named) {
  auto in = helper("cat").in(stdio::file("/no/such/input"));
  auto e = co_await failure_of(std::move(in));
  BOOST_TEST((e.code() == std::errc::no_such_file_or_directory));
  CHECK_CONTAINS(std::string(e.what()), "/no/such/input");
  auto out = helper("cat").out(stdio::file("/no/such/output"));
  e = co_await failure_of(std::move(out));
  CHECK_CONTAINS(std::string(e.what()), "/no/such/output");
  auto directory = helper("cat").out(stdio::file("/tmp"));
  e = co_await failure_of(std::move(directory));
  BOOST_TEST((e.code() == std::errc::is_a_directory));
}

CO_TEST(descriptor_that_is_not_open_is_named) {
  auto out = helper("exit=0").out(stdio::fd(777));
  auto e = co_await failure_of(std::move(out));
  BOOST_TEST((e.code() == std::errc::bad_file_descriptor));
  CHECK_CONTAINS(std::string(e.what()), "777");
  auto extra = helper("exit=0").inherit_fd(777);
  e = co_await failure_of(std::move(extra));
  BOOST_TEST((e.code() == std::errc::bad_file_descriptor));
  CHECK_CONTAINS(std::string(e.what()), "777");
}

CO_TEST(limit_that_cannot_be_set_is_named) {
  auto c =
      helper("exit=0").limit(coproc::resource::files, 1ull << 40, 1ull << 40); // more than the system has
  auto e = co_await failure_of(std::move(c));
  BOOST_TEST((e.code() == std::errc::operation_not_permitted));
  CHECK_CONTAINS(std::string(e.what()), "limit files");
}

CO_TEST(stream_that_cannot_be_redirected_is_named) {
  co_await coproc::run(helper("exit=0")); // the loop has its descriptors now
  std::vector<open_descriptor> all;
  while (all.empty() || all.back().get() < 40) all.emplace_back(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  // The child has all of these and room for one more; to swap two streams it needs two.
  auto c = helper("exit=0").in(stdio::inherit()).out(stdio::fd(2)).err(stdio::fd(1));
  c.inherit_fd(all.back().get());
  std::optional<lowered_limit> files;
  files.emplace(RLIMIT_NOFILE, static_cast<rlim_t>(all.back().get()) + 2);
  auto e = co_await failure_of(std::move(c));
  files.reset(); // UndefinedBehaviorSanitizer needs descriptors for its checks
  BOOST_TEST((e.code() == std::errc::too_many_files_open), e.what());
  CHECK_CONTAINS(std::string(e.what()), "cannot redirect stderr");
}

CO_TEST(after_a_failure_the_next_start_works) {
  co_await failure_of(command("/no/such/program"));
  auto result = co_await coproc::run(helper("out=fine"));
  BOOST_TEST(result.out == "fine");
}

CO_TEST(failed_start_is_reaped_at_once) {
  for (int i = 0; i != 20; ++i) {
    co_await failure_of(command("/no/such/program"));
    BOOST_TEST(no_children());
  }
}

CO_TEST(out_of_descriptors_and_back) {
  std::vector<open_descriptor> all;
  auto piped = [] { return helper("out=fine").in(stdio::pipe()).out(stdio::pipe()).err(stdio::pipe()); };
  {
    lowered_limit files(RLIMIT_NOFILE, 64);
    for (int fd; (fd = ::open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0;) all.emplace_back(fd);
    // With one free descriptor after the other, every step of the start gets its turn to fail.
    for (int i = 0; i != 7; ++i) {
      std::exception_ptr error;
      try {
        coproc::child started = co_await coproc::spawn(piped());
        co_await started.wait();
      } catch (const std::system_error& e) {
        if (e.code() == asio::error::operation_aborted) throw;
        BOOST_TEST((e.code() == std::errc::too_many_files_open), e.what());
        CHECK_CONTAINS(std::string(e.what()), "spawn '" + helper_path() + "'");
        error = std::current_exception();
      }
      if (i == 0) BOOST_TEST(bool(error));
      all.pop_back();
    }
  }
  all.clear();
  coproc::child c = co_await coproc::spawn(piped());
  std::string out = co_await c.out().read_all();
  BOOST_TEST(out == "fine");
}

CO_TEST(out_of_processes_and_back) {
  for (int error : {EAGAIN, ENOMEM}) {
    fault no_clone3(os_call::clone3, error);
    fault no_vfork(os_call::vfork, error);
    auto e = co_await failure_of(helper("exit=0").in(stdio::pipe()).out(stdio::pipe()));
    BOOST_TEST(e.code().value() == error);
    CHECK_CONTAINS(std::string(e.what()), "spawn '" + helper_path() + "'");
    CHECK_CONTAINS(std::string(e.what()), "process");
    BOOST_TEST(no_clone3.hits() == (built_with_pidfd() ? 1u : 0u));
  }
  auto result = co_await coproc::run(helper("out=fine"));
  BOOST_TEST(result.out == "fine");
}

CO_TEST(pipe_that_cannot_be_made_is_an_error) {
  for (std::size_t skip : {0u, 1u, 2u}) {
    fault no_pipe(os_call::pipe, EMFILE, 1, skip);
    auto c = helper("exit=0").in(stdio::pipe()).out(stdio::pipe()).err(stdio::pipe());
    auto e = co_await failure_of(std::move(c));
    BOOST_TEST((e.code() == std::errc::too_many_files_open));
    CHECK_CONTAINS(std::string(e.what()), helper_path());
    BOOST_TEST(no_pipe.hits() == 1u);
  }
}

CO_TEST(null_device_that_cannot_be_opened_is_an_error) {
  fault no_open(os_call::open, ENFILE);
  auto e = co_await failure_of(helper("exit=0").in(stdio::null()));
  BOOST_TEST((e.code() == std::errc::too_many_files_open_in_system));
  BOOST_TEST(no_open.hits() == 1u);
}

CO_TEST(nothing_starts_before_the_await) {
  scratch_directory scratch;
  auto file = scratch.path() / "made";
  {
    auto lazy = coproc::spawn(helper("exit=0").out(stdio::file(file)));
    co_await breathe();
    BOOST_TEST(!fs::exists(file));
  }
  BOOST_TEST(!fs::exists(file));
}

CO_TEST(arguments_are_moved_at_the_call) {
  command c = helper("out=first");
  c.out(stdio::pipe());
  auto lazy = coproc::spawn(c);
  c.arg("out=second"); // too late for the one above
  coproc::child started = co_await std::move(lazy);
  std::string out = co_await started.out().read_all();
  BOOST_TEST(out == "first");
}

asio::awaitable<coproc::child> start_later(command c) {
  co_await breathe();
  co_return co_await coproc::spawn(std::move(c));
}

CO_TEST_ONCE(cancellation_before_the_start_starts_nothing) {
  scratch_directory scratch;
  auto file = scratch.path() / "made";
  auto op = co_await beside(start_later(helper("exit=0").out(stdio::file(file))));
  op.cancel();
  bool aborted = co_await op.aborted();
  BOOST_TEST(aborted);
  BOOST_TEST(!fs::exists(file));
}

CO_TEST(one_command_starts_any_number_of_times) {
  command c = helper("out=again");
  c.out(stdio::pipe());
  for (int i = 0; i != 3; ++i) {
    coproc::child started = co_await coproc::spawn(c);
    std::string out = co_await started.out().read_all();
    BOOST_TEST(out == "again");
  }
}

CO_TEST(streams_are_inherited_by_default) {
  auto [read_end, write_end] = make_pipe();
  coproc::child c;
  {
    redirected out(1, write_end.get());
    c = co_await coproc::spawn(helper("out=to the host's stdout"));
  }
  co_await c.wait();
  BOOST_CHECK_THROW(c.in(), std::logic_error);
  BOOST_CHECK_THROW(c.out(), std::logic_error);
  BOOST_CHECK_THROW(c.err(), std::logic_error);
  write_end.close();
  BOOST_TEST(read_to_end(read_end.get()) == "to the host's stdout");
}

BOOST_AUTO_TEST_SUITE_END()
