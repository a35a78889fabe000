// Programs whose functions run in children: how they are started, what becomes of them, and of their
// children.
#include <coproc/process.hpp>

#include <coproc/init.hpp>
#include <coproc/run.hpp>
#include <coproc/spawn.hpp>

#include "support/expect.hpp"
#include "support/helper.hpp"
#include "support/host_state.hpp"
#include "support/method_test.hpp"
#include "support/pending.hpp"
#include "support/process_info.hpp"

#include <filesystem>
#include <fstream>
#include <string>

#include <signal.h>
#include <unistd.h>

using namespace coproc::test;

BOOST_AUTO_TEST_SUITE(function_host)

namespace fs = std::filesystem;
using coproc::command;
using coproc::exit_status;
using coproc::group_mode;
using coproc::start_method;
using coproc::stdio;

std::string number_of(start_method method) { return std::to_string(static_cast<int>(method)); }

command host(std::string what, start_method method) {
  return command(function_host_path(), std::move(what), number_of(method));
}

// How it was started.

asio::awaitable<void> check_results(command c) {
  auto result = co_await coproc::run(std::move(c));
  BOOST_TEST(result.out == "40\n41\n");
  BOOST_TEST(result.err == "");
  BOOST_TEST(result.status.success(), result.status.to_string());
}

METHOD_TEST_ONCE(started_by_relative_path_or_from_path_or_as_a_link) {
  const fs::path path = function_host_path();
  auto relative =
      command("./" + path.filename().string(), "results", number_of(method)).cwd(path.parent_path());
  co_await check_results(std::move(relative));
  auto searched =
      command(path.filename().string(), "results", number_of(method)).env("PATH", path.parent_path());
  co_await check_results(std::move(searched));
  scratch_directory scratch;
  fs::create_symlink(path, scratch.path() / "link");
  co_await check_results(command((scratch.path() / "link").string(), "results", number_of(method)));
}

METHOD_TEST_ONCE(argv_0_may_be_anything) {
  auto c = command("/bin/bash", "-c", R"(exec -a "$1" "$2" results "$3")", "bash", "no such program",
                   function_host_path(), number_of(method));
  co_await check_results(std::move(c));
}

METHOD_TEST_ONCE(file_may_be_deleted_or_replaced_while_it_runs) {
  for (bool replace : {false, true}) {
    scratch_directory scratch;
    const fs::path copy = scratch.path() / "host";
    fs::copy_file(function_host_path(), copy);
    auto c = command(copy.string(), "results", number_of(method)).in(stdio::pipe()).out(stdio::pipe());
    // Before the first child as well as between two.
    auto running = co_await coproc::spawn(std::move(c));
    if (!replace) {
      auto line = co_await running.out().read_line();
      BOOST_TEST(line.value() == "40");
    }
    fs::remove(copy);
    if (replace) std::ofstream(copy) << "something else";
    auto result = co_await running.communicate("\n");
    BOOST_TEST(result.out == (replace ? "40\n41\n" : "41\n"));
    BOOST_TEST(result.status.success(), result.status.to_string());
  }
}

// What it forgot.

METHOD_TEST_ONCE(init_missing_is_said_before_anything_is_started) {
  if (method == start_method::fork) co_return; // needs none
  auto result = co_await coproc::run(host("no-init", method));
  auto lines = split(result.out, '\n');
  BOOST_TEST(lines.size() == 2u);
  for (const std::string& line : lines) {
    CHECK_CONTAINS(line, "'Process-1' can't be started");
    CHECK_CONTAINS(line, "coproc::init(argc, argv)");
  }
  BOOST_TEST(result.err == "");
}

METHOD_TEST_ONCE(init_too_late_in_the_child_is_said) {
  if (method == start_method::fork) co_return;
  auto c = host("late-init", method).env("COPROC_TEST_LATE_INIT", "1");
  auto result = co_await coproc::run(std::move(c));
  auto lines = split(result.out, '\n');
  BOOST_TEST(lines.size() == 2u);
  for (const std::string& line : lines) CHECK_CONTAINS(line, "coproc::init(argc, argv)");
  BOOST_TEST(result.status.success(), result.status.to_string());
}

METHOD_TEST_ONCE(arguments_may_be_taken_out_before_init) {
  co_await check_results(host("shift", method).env("COPROC_TEST_SHIFT", "1"));
}

int init_again() {
  coproc::init(0, nullptr);
  return 5;
}

METHOD_TEST_ONCE(function_may_call_init_again) {
  coproc::process p{by(method), coproc::target<init_again>};
  co_await p.start();
  int back = co_await p.result();
  BOOST_TEST(back == 5);
}

METHOD_TEST_ONCE(loop_may_be_that_of_the_system_executor) {
  if (method == start_method::fork) co_return; // for hosts of one thread
  co_await check_results(host("system-executor", method));
}

METHOD_TEST_ONCE(children_have_the_rights_that_the_host_has_at_their_start) {
  if (::getuid() != 0) co_return; // none to give up
  const fs::perms rights = fs::status(function_host_path()).permissions();
  if ((rights & fs::perms::others_exec) == fs::perms::none) co_return; // which the others can't execute
  auto result = co_await coproc::run(host("rights", method));
  BOOST_TEST(result.out == "0\n65534\n0\n65533\n7 exited with code 0\n");
  BOOST_TEST(result.err == "");
}

METHOD_TEST_ONCE(children_do_not_get_back_what_a_set_user_id_program_has_given_up) {
  if (::getuid() != 0) co_return; // a program of whose user?
  scratch_directory scratch;
  const fs::path program = scratch.path() / "set-user-id";
  fs::copy_file(function_host_path(), program);
  fs::permissions(scratch.path(), fs::perms(0755));
  fs::permissions(program, fs::perms(04755));
  auto c = command(program.string(), "rights-of-file", number_of(method));
  auto result = co_await coproc::run(std::move(c).user(65534, 65534));
  if (result.out.starts_with("65534\n")) co_return; // a file system without such programs
  BOOST_TEST(result.out == "0\n65534\n");
  BOOST_TEST(result.err == "");
}

METHOD_TEST_ONCE(exception_of_another_handler_leaves_run_main_with_a_start_under_way) {
  auto result = co_await coproc::run(host("throw-elsewhere", method));
  BOOST_TEST(result.status.code().value() == 5);
  BOOST_TEST(result.out == "from a handler\n");
  BOOST_TEST(result.err == ""); // nor has a sanitizer anything to say
}

CO_TEST_ONCE(options_of_the_library_are_not_for_users) {
  for (const char* option : {"--coproc-server=0", "--coproc-server=7", "--coproc-server=",
                             "--coproc-child=3,4", "--coproc-child=99999999999", "--coproc-child=x"}) {
    auto result = co_await coproc::run(command(function_host_path(), option));
    BOOST_TEST((result.status == exit_status::exited(125)), result.status.to_string());
    CHECK_CONTAINS(result.err, option);
  }
}

CO_TEST_ONCE(threads_of_static_initialisers_make_it_spawn) {
  auto c = host("results", start_method::forkserver).env("COPROC_TEST_STATIC_THREAD", "1");
  co_await check_results(std::move(c));
}

METHOD_TEST_ONCE(standard_streams_may_be_closed) {
  for (std::string closed : {"0", "1", "2", "0,1", "1,2", "0,1,2"}) {
    auto [read_end, write_end] = make_pipe();
    auto c = host("lose-streams", method).arg(closed).arg(std::to_string(write_end.get()));
    c.inherit_fd(write_end.get()).in(stdio::null()).out(stdio::null()).err(stdio::null());
    auto running = co_await coproc::spawn(std::move(c));
    write_end.close();
    auto status = co_await running.wait();
    BOOST_TEST(status.success(), status.to_string());
    auto lines = split(read_to_end(read_end.get()), '\n');
    BOOST_REQUIRE(lines.size() == 2u);
    std::string open;
    for (char stream : {'0', '1', '2'})
      if (closed.find(stream) == closed.npos) open += stream;
    BOOST_TEST(lines[0].substr(0, lines[0].find('+')) == open,
               "closed: " << closed << ", open: " << lines[0]);
    BOOST_TEST(lines[1] == "from the child");
  }
}

// Its end.

/// Everything that @p pid has started and that is still its child: fork servers.
std::vector<int> children_of(int pid) {
  std::vector<int> result;
  for (const auto& task : fs::directory_iterator("/proc/" + std::to_string(pid) + "/task")) {
    std::ifstream children(task.path() / "children");
    for (int child; children >> child;) result.push_back(child);
  }
  return result;
}

/// A host that holds two children and a grandchild, whose ids it has said.
asio::awaitable<std::vector<int>> ids_of(coproc::child& holder) {
  std::vector<int> ids;
  for (int i = 0; i != 3; ++i) {
    auto line = co_await holder.out().read_line();
    ids.push_back(std::stoi(line.value()));
  }
  for (int child : children_of(holder.pid())) ids.push_back(child);
  co_return ids;
}

METHOD_TEST_ONCE(killed_host_leaves_nobody) {
  for (int i = 0; i != 2; ++i) {
    auto c = host("hold", method).in(stdio::null()).out(stdio::pipe()).process_group(group_mode::inherit);
    auto holder = co_await coproc::spawn(std::move(c));
    auto ids = co_await ids_of(holder);
    for (int id : ids) BOOST_TEST(alive(id));
    holder.kill();
    co_await holder.wait();
    for (int id : ids) co_await end_of(id);
  }
}

METHOD_TEST_ONCE(host_that_ends_leaves_nobody) {
  auto c = host("exit", method).in(stdio::pipe()).out(stdio::pipe()).process_group(group_mode::inherit);
  auto holder = co_await coproc::spawn(std::move(c));
  auto ids = co_await ids_of(holder);
  for (int id : ids) BOOST_TEST(alive(id));
  holder.in().close();
  auto status = co_await holder.wait();
  BOOST_TEST(status.success(), status.to_string());
  for (int id : ids) co_await end_of(id);
}

METHOD_TEST_ONCE(detached_child_outlives_its_host) {
  auto result = co_await coproc::run(host("detach", method)); // its output ends: nobody holds on to that
  BOOST_TEST(result.status.success(), result.status.to_string());
  const int pid = std::stoi(result.out);
  killed_at_end cleanup(pid);
  for (int i = 0; i != 20; ++i) co_await breathe();
  BOOST_TEST(alive(pid));
}

METHOD_TEST_ONCE(signals_of_a_terminal_reach_the_host_alone) {
  auto result = co_await coproc::run(host("terminal", method).process_group(group_mode::session));
  BOOST_TEST(result.out == "signalled; 77\n");
  BOOST_TEST(result.status.success(), result.status.to_string());
}

BOOST_AUTO_TEST_SUITE_END()
