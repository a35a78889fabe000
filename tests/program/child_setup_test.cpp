// What a child is given: arguments, environment, directory, descriptors.
#include <coproc/command.hpp>

#include <coproc/run.hpp>
#include <coproc/spawn.hpp>

#include "support/co_test.hpp"
#include "support/expect.hpp"
#include "support/helper.hpp"
#include "support/host_state.hpp"
#include "support/process_info.hpp"

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

using namespace coproc::test;
using namespace std::string_literals;
namespace fs = std::filesystem;

BOOST_AUTO_TEST_SUITE(child_setup)

using coproc::command;
using coproc::stdio;

/// What a helper wrote.
asio::awaitable<std::string> output_of(command c) {
  auto result = co_await coproc::run(std::move(c));
  if (!result.status.success()) BOOST_ERROR(result.status.to_string() + ": " + result.err);
  co_return result.out;
}

// Arguments

CO_TEST(arguments_are_exact) {
  const std::vector<std::string> arguments{
      "",   " ", "two words",    "\"quoted\"", "it's", "$HOME", "*", "a\nb", "\\",     "-n",
      "--", "=", "\xff\xfe\x80", "\t",         "`id`", "$(id)", "~", ";",    "ünïcödé"};
  auto c = helper("args").args(arguments);
  std::string out = co_await output_of(std::move(c));
  std::string expected = helper_path() + "\0args\0"s;
  for (const auto& argument : arguments) expected += argument + '\0';
  BOOST_TEST((out == expected));
}

CO_TEST(ten_thousand_arguments) {
  std::vector<std::string> arguments(10'000, "an argument");
  auto c = helper("args").args(arguments);
  std::string out = co_await output_of(std::move(c));
  BOOST_TEST(split(out, '\0').size() == 10'002u);
}

CO_TEST(parse_gives_the_words_to_the_program) {
  auto c = command::parse("'" + helper_path() + "' args 'a b' c\\ d \"e f\"");
  std::string out = co_await output_of(std::move(c));
  BOOST_TEST((out == helper_path() + "\0args\0a b\0c d\0e f\0"s));
}

// Environment

CO_TEST(environment_is_the_hosts_as_of_the_start) {
  command c = helper("env=COPROC_TEST_A", "env=COPROC_TEST_B");
  host_variable a("COPROC_TEST_A", "set after the command was made");
  std::string out = co_await output_of(c);
  BOOST_TEST(out == "set after the command was made\n(unset)\n");
}

CO_TEST(environment_is_extended_and_overridden) {
  host_variable a("COPROC_TEST_A", "host");
  host_variable b("COPROC_TEST_B", "host");
  auto c = helper("env=COPROC_TEST_A", "env=COPROC_TEST_B", "env=COPROC_TEST_C", "env=COPROC_TEST_D")
               .env("COPROC_TEST_A", "first")
               .env("COPROC_TEST_A", "last wins")
               .unset_env("COPROC_TEST_B")
               .env("COPROC_TEST_C", "")
               .unset_env("COPROC_TEST_NEVER_THERE")
               .unset_env("COPROC_TEST_D")
               .env("COPROC_TEST_D", "set after all");
  std::string out = co_await output_of(std::move(c));
  BOOST_TEST(out == "last wins\n(unset)\n\nset after all\n");
  BOOST_TEST(std::getenv("COPROC_TEST_A") == "host"s, "the host's own is untouched");
}

CO_TEST(cleared_environment_is_empty) {
  auto empty = helper("environment").env("COPROC_TEST_A", "forgotten").clear_env();
  std::string out = co_await output_of(std::move(empty));
  BOOST_TEST(out.empty());
  auto replaced = helper("environment").clear_env().env("B", "2").env("A", "1=one");
  out = co_await output_of(std::move(replaced));
  auto entries = split(out, '\0');
  std::sort(entries.begin(), entries.end());
  BOOST_TEST((entries == std::vector<std::string>{"A=1=one", "B=2"}));
}

CO_TEST(environment_value_is_exact) {
  const std::string value = "spaces  \"quotes\" \n \xff =";
  auto c = helper("environment").clear_env().env("KEY", value);
  std::string out = co_await output_of(std::move(c));
  BOOST_TEST((out == "KEY=" + value + '\0'));
}

// Looking the program up

CO_TEST(program_is_looked_up_in_the_childs_path) {
  scratch_directory scratch;
  scratch.file("one/tool", "#!/bin/sh\necho one\n", 0755);
  scratch.file("two/tool", "#!/bin/sh\necho two\n", 0755);
  const std::string one = (scratch.path() / "one").string();
  const std::string two = (scratch.path() / "two").string();
  for (const auto& [path, expected] : std::vector<std::pair<std::string, std::string>>{
           {one + ":" + two, "one\n"}, {two + ":" + one, "two\n"}, {"/nowhere:" + two, "two\n"}}) {
    auto c = command("tool").env("PATH", path);
    std::string out = co_await output_of(std::move(c));
    BOOST_TEST(out == expected);
  }
  // A name that is too long for a file is that of none, unless it is the program's.
  auto behind = command("tool").env("PATH", '/' + std::string(5000, 'x') + ':' + two);
  std::string out = co_await output_of(std::move(behind));
  BOOST_TEST(out == "two\n");
  auto too_long = command(std::string(300, 'x')).env("PATH", one + ':' + two);
  auto unnameable = co_await thrown_by<std::system_error>(coproc::run(std::move(too_long)));
  BOOST_TEST((unnameable.code() == std::errc::filename_too_long));
  auto missing = command("tool").env("PATH", "/nowhere");
  auto e = co_await thrown_by<std::system_error>(coproc::run(std::move(missing)));
  BOOST_TEST((e.code() == std::errc::no_such_file_or_directory));
}

CO_TEST(candidate_that_may_not_be_executed_is_skipped) {
  scratch_directory scratch;
  scratch.file("one/tool", "not executable", 0644);
  scratch.file("two/tool", "#!/bin/sh\necho two\n", 0755);
  const std::string one = (scratch.path() / "one").string();
  auto c = command("tool").env("PATH", one + ":" + (scratch.path() / "two").string());
  std::string out = co_await output_of(std::move(c));
  BOOST_TEST(out == "two\n");
  auto denied =
      command("tool").env("PATH", one + ":/nowhere"); // what could have been counts more than what is not
  auto e = co_await thrown_by<std::system_error>(coproc::run(std::move(denied)));
  BOOST_TEST((e.code() == std::errc::permission_denied));
  CHECK_CONTAINS(std::string(e.what()), one);
}

CO_TEST(without_path_the_system_directories_are_searched) {
  for (bool clear : {true, false}) {
    command c("true");
    if (clear)
      c.clear_env();
    else
      c.unset_env("PATH");
    std::string out = co_await output_of(std::move(c));
    BOOST_TEST(out.empty());
  }
}

CO_TEST(empty_entry_of_path_is_the_childs_directory) {
  scratch_directory scratch;
  scratch.file("tool", "#!/bin/sh\necho here\n", 0755);
  for (const char* path : {":/nowhere", "/nowhere:", "/nowhere::/nowhere", "."}) {
    auto c = command("tool").env("PATH", path).cwd(scratch.path());
    std::string out = co_await output_of(std::move(c));
    BOOST_TEST(out == "here\n");
  }
}

CO_TEST(program_with_a_slash_is_relative_to_the_childs_directory) {
  scratch_directory scratch;
  scratch.file("bin/tool", "#!/bin/sh\necho relative\n", 0755);
  auto c = command("bin/tool").cwd(scratch.path());
  std::string out = co_await output_of(std::move(c));
  BOOST_TEST(out == "relative\n");
  auto e = co_await thrown_by<std::system_error>(coproc::run(command("bin/tool")));
  BOOST_TEST((e.code() == std::errc::no_such_file_or_directory));
}

CO_TEST(working_directory_is_set) {
  scratch_directory scratch;
  auto c = helper("cwd").cwd(scratch.path());
  std::string out = co_await output_of(std::move(c));
  BOOST_TEST(out == scratch.path().string() + "\n");
  out = co_await output_of(helper("cwd"));
  BOOST_TEST(out == fs::current_path().string() + "\n");
  auto relative = helper("cwd").cwd("..");
  out = co_await output_of(std::move(relative));
  BOOST_TEST(out == fs::current_path().parent_path().string() + "\n");
}

// Descriptors

CO_TEST(only_the_standard_streams_survive) {
  int leaky = ::dup(1); // without close-on-exec, as careless hosts have them
  open_descriptor owner(leaky);
  std::string out = co_await output_of(helper("fds"));
  BOOST_TEST(out == "0 1 2\n");
}

CO_TEST(listed_descriptors_survive_under_their_numbers) {
  auto low = open_descriptor("/dev/null", O_RDONLY);
  auto high = open_descriptor(::fcntl(low.get(), F_DUPFD_CLOEXEC, 500));
  auto between = open_descriptor(::fcntl(low.get(), F_DUPFD_CLOEXEC, 300));
  auto c = helper("fds").inherit_fd(high.get()).inherit_fd(low.get()).inherit_fd(high.get());
  std::string out = co_await output_of(std::move(c));
  BOOST_TEST(out == "0 1 2 " + std::to_string(low.get()) + " " + std::to_string(high.get()) + "\n");
  BOOST_TEST(::fcntl(low.get(), F_GETFD) == FD_CLOEXEC, "the host's own keeps its flag");
}

CO_TEST(inherited_descriptor_is_the_same_open_file) {
  auto [read_end, write_end] = make_pipe();
  auto c = command::shell("echo hello >&" + std::to_string(write_end.get())).inherit_fd(write_end.get());
  co_await output_of(std::move(c));
  write_end.close();
  BOOST_TEST(read_to_end(read_end.get()) == "hello\n");
}

CO_TEST(descriptors_above_a_lowered_limit_are_closed) {
  auto null = open_descriptor("/dev/null", O_RDONLY);
  auto high = open_descriptor(::fcntl(null.get(), F_DUPFD, 600));
  lowered_limit files(RLIMIT_NOFILE, 100);
  auto c = helper("fds").limit(coproc::resource::files, 4096, 4096);
  std::string out = co_await output_of(std::move(c));
  BOOST_TEST(out == "0 1 2\n");
}

CO_TEST(a_thousand_open_descriptors_change_nothing) {
  std::vector<open_descriptor> many;
  for (int i = 0; i != 1000; ++i) many.emplace_back(::dup(2)); // without close-on-exec
  auto c = helper("fds").inherit_fd(many[500].get());
  std::string out = co_await output_of(std::move(c));
  BOOST_TEST(out == "0 1 2 " + std::to_string(many[500].get()) + "\n");
}

CO_TEST(siblings_do_not_hold_each_others_pipes) {
  std::vector<coproc::child> children;
  for (int i = 0; i != 4; ++i)
    children.push_back(co_await coproc::spawn(helper("cat", "fds").in(stdio::pipe()).out(stdio::pipe())));
  // Each sees the end of its input although its younger siblings live.
  for (auto& c : children) {
    c.in().close();
    std::string out = co_await c.out().read_all();
    BOOST_TEST(out == "0 1 2\n");
  }
}

BOOST_AUTO_TEST_SUITE_END()
