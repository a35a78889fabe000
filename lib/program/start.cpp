#include "program/start.hpp"

#include "loop/context_service.hpp"
#include "os/boost_process.hpp"
#include "os/error.hpp"
#include "os/open.hpp"
#include "program/child_streams.hpp"
#include "program/command_spec.hpp"
#include "program/own_process.hpp"

#include <asio/this_coro.hpp>

#include <algorithm>
#include <map>
#include <stdexcept>

#include <sys/resource.h>

namespace coproc::detail {

namespace {

using kind = access::kind;

const stdio& chosen(const stdio& wanted, const stdio& fallback) {
  return access::kind_of(wanted) == kind::unset ? fallback : wanted;
}

/// The environment of the child as "name=value"; empty: as the host's.
std::vector<std::string> environment_of(const command_spec& spec) {
  std::vector<std::string> result;
  if (!spec.clear_env && spec.env.empty()) return result;
  if (!spec.clear_env) result = os::host_environment();
  for (const auto& [key, value] : spec.env) {
    const std::string beginning = key + '=';
    std::erase_if(result, [&](const std::string& variable) { return variable.starts_with(beginning); });
    if (value) result.push_back(beginning + *value);
  }
  return result;
}

const char* search_path(const command_spec& spec, const std::vector<std::string>& environment) {
  const char* path = nullptr;
  if (!spec.clear_env && spec.env.empty()) path = ::getenv("PATH");
  for (const std::string& variable : environment)
    if (variable.starts_with("PATH=")) path = variable.c_str() + 5;
  return path ? path : "/bin:/usr/bin"; // as execvp(3), and confstr(_CS_PATH)
}

/// What to try to execute. An empty element of PATH is the working directory, as execvp(3) has it.
std::vector<std::string> candidates_of(const std::string& program, const char* path) {
  if (program.find('/') != std::string::npos) return {program};
  std::vector<std::string> result;
  std::string_view rest = path;
  for (;;) {
    std::size_t end = rest.find(':');
    std::string directory(rest.substr(0, end));
    if (!directory.empty() && directory.back() != '/') directory += '/';
    result.push_back((directory.empty() ? "./" : directory) + program);
    if (end == std::string_view::npos) return result;
    rest.remove_prefix(end + 1);
  }
}

int resource_number(resource which) {
  switch (which) {
  case resource::cpu:
    return RLIMIT_CPU;
  case resource::memory:
    return RLIMIT_AS;
  case resource::files:
    return RLIMIT_NOFILE;
  case resource::processes:
    return RLIMIT_NPROC;
  case resource::core:
    return RLIMIT_CORE;
  case resource::file_size:
    return RLIMIT_FSIZE;
  case resource::stack:
    return RLIMIT_STACK;
  }
  throw std::invalid_argument("command::limit: unknown resource");
}

group_mode group_of(const command_spec& spec, const start_defaults& defaults, const stdio& in) {
  if (spec.group) return *spec.group;
  bool host = defaults.host_group || (access::kind_of(in) == kind::inherit && defaults.pipe_in < 0);
  return host ? group_mode::inherit : group_mode::own;
}

void add_options(os::launch_plan& plan, const command_spec& spec) {
  plan.cwd = spec.cwd;
  plan.inherited = spec.inherited;
  std::erase_if(plan.inherited, [](int fd) { return fd < 3; }); // 0, 1 and 2 have options of their own
  std::sort(plan.inherited.begin(), plan.inherited.end());
  plan.inherited.erase(std::unique(plan.inherited.begin(), plan.inherited.end()), plan.inherited.end());
  for (const command_spec::limit& limit : spec.limits) {
    rlimit value{};
    value.rlim_cur = limit.soft == unlimited ? RLIM_INFINITY : limit.soft;
    value.rlim_max = limit.hard == unlimited ? RLIM_INFINITY : limit.hard;
    const int number = resource_number(limit.which);
    // The last one counts: the first could be lower, and could not be raised again.
    std::erase_if(plan.limits,
                  [number](const os::resource_limit& other) { return other.resource == number; });
    plan.limits.push_back({number, value});
  }
  if (spec.nice) plan.nice = std::clamp(*spec.nice, -40, 40); // all that there is, getpriority(2)
  plan.umask = spec.umask;
  plan.user = spec.user;
  plan.die_with_parent = spec.die_with_parent;
  plan.no_new_privs = spec.no_new_privs;
}

/// Before anything else is opened: what is not open would be found open, as something of the library's.
void check_descriptors(const command_spec& spec) {
  const std::string blame = "spawn '" + spec.program + "': cannot ";
  for (int fd : spec.inherited) os::require_open(fd, blame + "inherit descriptor " + std::to_string(fd));
  for (const stdio* stream : {&spec.in, &spec.out, &spec.err})
    if (access::kind_of(*stream) == kind::fd)
      os::require_open(access::fd_of(*stream),
                       blame + "pass descriptor " + std::to_string(access::fd_of(*stream)));
}

std::unique_ptr<own_process> make_process(const asio::any_io_executor& executor,
                                          const os::launch_plan& plan) {
  try {
    return std::make_unique<own_process>(executor);
  } catch (const std::system_error& error) {
    // The first descriptor of a context makes Asio open some of its own.
    os::throw_errno(error.code().value(), "spawn '" + plan.program + "': cannot use the event loop");
  }
}

} // namespace

asio::awaitable<asio::any_io_executor> begin_start() {
  asio::any_io_executor executor = co_await asio::this_coro::executor;
  const bool due = context_service::of(executor).breathing_due();
  if (due) co_await pass_through_loop();
  co_return executor;
}

std::shared_ptr<child_state> start(const asio::any_io_executor& executor, command program,
                                   const start_defaults& defaults) {
  const command_spec& spec = access::spec(program); // stays where it is when the command is moved
  check_descriptors(spec);
  const stdio& in = chosen(spec.in, defaults.in);

  child_streams ends("spawn '" + spec.program + "': ");
  if (defaults.pipe_in >= 0)
    ends.use(0, defaults.pipe_in);
  else
    ends.set_up_in(in);
  if (defaults.pipe_out >= 0)
    ends.use(1, defaults.pipe_out);
  else
    ends.set_up_out(1, chosen(spec.out, defaults.out));
  ends.set_up_out(2, chosen(spec.err, defaults.err));

  os::launch_plan plan;
  plan.program = spec.program;
  plan.redirects = ends.plan();
  plan.group = group_of(spec, defaults, in);
  std::vector<std::string> environment = environment_of(spec);
  if (spec.executable.empty())
    plan.candidates = candidates_of(spec.program, search_path(spec, environment));
  else
    plan.candidates.push_back(spec.executable);
  plan.argv.reserve(spec.arguments.size() + 2);
  plan.argv.push_back(spec.program.c_str());
  for (const std::string& argument : spec.arguments) plan.argv.push_back(argument.c_str());
  plan.argv.push_back(nullptr);
  if (spec.clear_env || !spec.env.empty()) {
    for (const std::string& variable : environment) plan.envp.push_back(variable.c_str());
    plan.envp.push_back(nullptr);
  }
  add_options(plan, spec);

  std::optional<duration> timeout = spec.timeout;
  if (defaults.timeout && (!timeout || *defaults.timeout < *timeout)) timeout = defaults.timeout;

  // All that can fail for want of memory or descriptors comes before the process is there.
  std::unique_ptr<own_process> process = make_process(executor, plan);
  own_process& started = *process;
  auto mutex = defaults.mutex ? defaults.mutex : std::make_shared<child_mutex>();
  auto state = std::make_shared<child_state>(executor, std::move(program), plan.group != group_mode::inherit,
                                             timeout, std::move(process), std::move(mutex));
  ends.hand_over(*state, executor, in);
  started.adopt(os::launch(plan));
  try {
    state->started();
  } catch (...) {
    state->abandon(); // its own timer may keep it
    throw;
  }
  return state;
}

} // namespace coproc::detail
