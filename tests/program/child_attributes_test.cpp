// What a child is: its signals, group and session, limits, niceness, umask, user.
#include <coproc/command.hpp>

#include <coproc/run.hpp>

#include "support/co_test.hpp"
#include "support/expect.hpp"
#include "support/helper.hpp"
#include "support/host_state.hpp"
#include "support/process_info.hpp"

#include <algorithm>
#include <filesystem>
#include <limits>
#include <string>
#include <vector>

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace coproc::test;
namespace fs = std::filesystem;

BOOST_AUTO_TEST_SUITE(child_attributes)

using coproc::command;
using coproc::group_mode;
using coproc::stdio;

/// What a helper wrote.
asio::awaitable<std::string> output_of(command c) {
  auto result = co_await coproc::run(std::move(c));
  if (!result.status.success()) BOOST_ERROR(result.status.to_string() + ": " + result.err);
  co_return result.out;
}

// Signals

CO_TEST(dispositions_and_mask_are_the_defaults) {
  disposition pipe(SIGPIPE, SIG_IGN);
  disposition hup(SIGHUP, SIG_IGN);
  disposition child_signal(SIGCHLD, [](int) {});
  blocked_signals all;
  std::string out = co_await output_of(helper("dispositions", "blocked"));
  BOOST_TEST(out == "\n\n");
  sigset_t now;
  ::pthread_sigmask(SIG_BLOCK, nullptr, &now);
  BOOST_TEST(::sigismember(&now, SIGTERM) == 1, "the host's own mask is untouched");
}

// Process group and session

CO_TEST(group_is_its_own_unless_stdin_is_inherited) {
  std::string out = co_await output_of(helper("pid", "pgid", "sid")); // run: stdin is /dev/null
  auto ids = numbers(out);
  BOOST_TEST(ids.at(0) == ids.at(1));
  BOOST_TEST(ids.at(2) == ::getsid(0));

  auto inherits = helper("pgid", "sid").in(stdio::inherit());
  out = co_await output_of(std::move(inherits));
  BOOST_TEST((numbers(out) == std::vector<long long>{::getpgid(0), ::getsid(0)}));
}

CO_TEST(group_mode_is_obeyed) {
  auto own = helper("pid", "pgid", "sid").in(stdio::inherit()).process_group(group_mode::own);
  std::string out = co_await output_of(std::move(own));
  auto ids = numbers(out);
  BOOST_TEST(ids.at(1) == ids.at(0));
  BOOST_TEST(ids.at(2) == ::getsid(0));

  auto inherit = helper("pgid").process_group(group_mode::inherit);
  out = co_await output_of(std::move(inherit));
  BOOST_TEST(numbers(out).at(0) == ::getpgid(0));

  auto session = helper("pid", "pgid", "sid").process_group(group_mode::session);
  out = co_await output_of(std::move(session));
  ids = numbers(out);
  BOOST_TEST(ids.at(1) == ids.at(0));
  BOOST_TEST(ids.at(2) == ids.at(0));
}

CO_TEST(parent_is_the_host) {
  std::string out = co_await output_of(helper("ppid"));
  BOOST_TEST(numbers(out).at(0) == ::getpid());
}

CO_TEST(death_signal_is_set_on_demand_only) {
  std::string out = co_await output_of(helper("death-signal"));
  BOOST_TEST(out == "0\n");
  auto c = helper("death-signal").die_with_parent();
  out = co_await output_of(std::move(c));
  BOOST_TEST(out == std::to_string(SIGKILL) + "\n");
}

// Limits, niceness, umask, user

CO_TEST(every_limit_is_set) {
  using coproc::resource;
  const struct {
    resource which;
    int number;
    unsigned long long soft, hard;
  } limits[] = {{resource::cpu, RLIMIT_CPU, 50, 60},
                {resource::memory, RLIMIT_AS, 1ull << 32, 1ull << 33},
                {resource::files, RLIMIT_NOFILE, 32, 64},
                {resource::processes, RLIMIT_NPROC, 1000, 2000},
                {resource::core, RLIMIT_CORE, 0, 4096},
                {resource::file_size, RLIMIT_FSIZE, 1 << 20, 1 << 21},
                {resource::stack, RLIMIT_STACK, 1 << 20, 1 << 22}};
  command c = helper();
  std::string expected;
  for (const auto& limit : limits) {
    c.limit(limit.which, limit.soft, limit.hard).arg("limits=" + std::to_string(limit.number));
    expected += std::to_string(limit.soft) + "\n" + std::to_string(limit.hard) + "\n";
  }
  std::string out = co_await output_of(std::move(c));
  BOOST_TEST(out == expected);
}

CO_TEST(unlimited_is_no_limit) {
  auto c =
      helper("limits=" + std::to_string(RLIMIT_CORE)).limit(coproc::resource::core, 0, coproc::unlimited);
  if (::getuid() != 0) co_return; // raising a hard limit is root's
  std::string out = co_await output_of(std::move(c));
  BOOST_TEST(out == "0\n-1\n");
}

CO_TEST(limits_bind) {
  auto files = helper("count-openable").limit(coproc::resource::files, 10, 10);
  std::string out = co_await output_of(std::move(files));
  BOOST_TEST(out == "7\n");

  scratch_directory scratch;
  auto size = helper("flood=100000")
                  .out(stdio::file(scratch.path() / "f"))
                  .limit(coproc::resource::file_size, 1000, 1000);
  auto result = co_await coproc::run(std::move(size));
  BOOST_TEST((result.status.signal() == SIGXFSZ));
  BOOST_TEST(fs::file_size(scratch.path() / "f") == 1000u);

  auto memory = helper("touch=100000000").limit(coproc::resource::memory, 50'000'000, 50'000'000);
  result = co_await coproc::run(std::move(memory));
  BOOST_TEST(!result.status.success());
}

CO_TEST_ONCE(cpu_limit_binds) {
  auto cpu = helper("burn=60000").limit(coproc::resource::cpu, 1, 1);
  auto result = co_await coproc::run(std::move(cpu));
  BOOST_TEST((result.status.signal() == SIGKILL || result.status.signal() == SIGXCPU));
}

CO_TEST(nice_adds_up) {
  const int before = ::getpriority(PRIO_PROCESS, 0);
  auto c = helper("nice").nice(3);
  std::string out = co_await output_of(std::move(c));
  BOOST_TEST(numbers(out).at(0) == std::min(before + 3, 19));
  auto extreme = helper("nice").nice(100);
  out = co_await output_of(std::move(extreme));
  BOOST_TEST(numbers(out).at(0) == 19);
  BOOST_TEST(::getpriority(PRIO_PROCESS, 0) == before);
}

CO_TEST_ONCE(nice_of_any_size_from_any_niceness) {
  if (::getuid() != 0) co_return; // the host could not go back
  const int before = ::getpriority(PRIO_PROCESS, 0);
  ::setpriority(PRIO_PROCESS, 0, 5);
  auto c = helper("nice").nice(std::numeric_limits<int>::max());
  std::string out = co_await output_of(std::move(c));
  ::setpriority(PRIO_PROCESS, 0, before);
  BOOST_TEST(numbers(out).at(0) == 19);
}

CO_TEST(last_limit_of_a_resource_counts) {
  using coproc::resource;
  auto c = helper("limits=" + std::to_string(RLIMIT_NOFILE))
               .limit(resource::files, 50, 50)
               .limit(resource::files, 60, 60);
  std::string out = co_await output_of(std::move(c));
  BOOST_TEST(numbers(out).at(0) == 60);
}

CO_TEST(umask_is_the_childs_own) {
  const mode_t before = ::umask(022);
  ::umask(before);
  auto c = helper("umask").umask(0137);
  std::string out = co_await output_of(std::move(c));
  BOOST_TEST(numbers(out).at(0) == 0137);
  out = co_await output_of(helper("umask"));
  BOOST_TEST(numbers(out).at(0) == before);
  const mode_t after = ::umask(before);
  BOOST_TEST(after == before);
}

/// The helper where every user can execute it: the build may be in root's home.
class public_helper {
public:
  public_helper() : path_(directory_.path() / "helper") {
    namespace fs = std::filesystem;
    fs::copy_file(helper_path(), path_);
    for (const fs::path& each : {directory_.path(), path_}) fs::permissions(each, fs::perms(0755));
  }

  template <class... Actions>
  coproc::command operator()(Actions&&... actions) const {
    return coproc::command(path_.string(), std::forward<Actions>(actions)...);
  }

private:
  scratch_directory directory_;
  std::filesystem::path path_;
};

CO_TEST(user_and_group_are_changed_for_good) {
  if (::getuid() != 0) co_return;         // the privilege is missing: see user_without_privilege
  supplementary_groups groups({1, 2, 3}); // which the child must not keep
  const public_helper anybody;
  auto c = anybody("uid", "gid", "groups").user(65534, 65533);
  std::string out = co_await output_of(std::move(c));
  BOOST_TEST(out == "65534\n65534\n65533\n65533\n0\n");
  BOOST_TEST(::geteuid() == 0u);
  // Not with that user's privilege anymore:
  auto again = anybody("exit=0").user(65534, 65533).nice(-5);
  std::string status = co_await output_of(std::move(again)); // nice comes before
  BOOST_TEST(status.empty());
}

CO_TEST(user_without_privilege_names_the_step) {
  if (::getuid() != 0) {
    auto c = helper("exit=0").user(0, 0);
    auto e = co_await thrown_by<std::system_error>(coproc::run(std::move(c)));
    BOOST_TEST((e.code() == std::errc::operation_not_permitted));
    CHECK_CONTAINS(std::string(e.what()), "user 0");
  }
}

CO_TEST(die_with_parent_works_for_another_user) {
  if (::getuid() != 0) co_return;
  const public_helper anybody;
  auto c = anybody("death-signal").user(65534, 65534).die_with_parent();
  std::string out = co_await output_of(std::move(c));
  BOOST_TEST(out == std::to_string(SIGKILL) + "\n", "the change of user must not clear it");
}

BOOST_AUTO_TEST_SUITE_END()
