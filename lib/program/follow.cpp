#include "program/follow.hpp"

#include <coproc/called_process_error.hpp>
#include <coproc/output_limit.hpp>
#include <coproc/timeout_expired.hpp>

#include "os/pipe.hpp"
#include "program/command_spec.hpp"

namespace coproc::detail {

asio::awaitable<exchange_result> follow(std::shared_ptr<exchange> operation) {
  return suspend<exchange_result>([operation = std::move(operation)](suspension<exchange_result> waiter) {
    operation->start(std::move(waiter));
  });
}

template <class Program>
void throw_unless_ended(exchange_result& result, const Program& program) {
  completed& done = result.done;
  switch (result.why) {
  case exchange_result::reason::ended:
    return;
  case exchange_result::reason::timed_out:
    throw timeout_expired(program.to_string(), result.timeout, done.status, std::move(done.out),
                          std::move(done.err));
  case exchange_result::reason::too_much_output:
    throw output_limit(program.to_string(), result.limit, done.status, std::move(done.out),
                       std::move(done.err));
  }
}

template void throw_unless_ended(exchange_result&, const command&);

namespace {

template <class Program>
completed conclude(exchange_result result, const Program& program, bool check) {
  throw_unless_ended(result, program);
  completed& done = result.done;
  if (check && !done.status.success())
    throw called_process_error(program.to_string(), done.status, std::move(done.out), std::move(done.err));
  return std::move(done);
}

/// Children without a handle: what still runs when nobody follows it any more is killed, and reaped later.
/// Their states may live on, for the sake of their timers.
class owned_children {
public:
  owned_children() = default;
  owned_children(owned_children&&) noexcept = default;
  owned_children(const owned_children&) = delete;
  ~owned_children() {
    for (const auto& child : all_) child->abandon();
  }
  /// Makes room first, so that a child that has been started can be added.
  void reserve(std::size_t count) { all_.reserve(count); }
  void add(std::shared_ptr<child_state> child) { all_.push_back(std::move(child)); }
  const std::vector<std::shared_ptr<child_state>>& all() const noexcept { return all_; }

private:
  std::vector<std::shared_ptr<child_state>> all_;
};

/// Starts the stages from the first to the last, each with the pipe to the next.
owned_children start_all(const asio::any_io_executor& executor, const pipeline& stages,
                         const start_defaults& defaults) {
  owned_children children;
  children.reserve(stages.stages().size());
  auto mutex = std::make_shared<child_mutex>();
  os::unique_fd from_previous;
  const std::size_t count = stages.stages().size();
  for (std::size_t i = 0; i != count; ++i) {
    command stage = access::stage_of(stages, i);
    start_defaults here = defaults;
    here.mutex = mutex;
    os::pipe_ends to_next;
    if (i + 1 != count) {
      std::string blame =
          "spawn '" + access::spec(stage).program + "': cannot create a pipe to the next stage";
      to_next = os::make_pipe_between(blame.c_str());
      here.pipe_out = to_next.write.get();
    }
    here.pipe_in = from_previous ? from_previous.get() : -1;
    children.add(start(executor, std::move(stage), here));
    from_previous = std::move(to_next.read);
  }
  return children;
}

} // namespace

asio::awaitable<completed> run_to_end(command program, start_defaults defaults, checking check) {
  asio::any_io_executor executor = co_await begin_start();
  owned_children children;
  children.reserve(1);
  children.add(start(executor, std::move(program), defaults));
  const std::shared_ptr<child_state>& child = children.all().front();
  auto operation = std::make_shared<exchange>(children.all(), exchange::on_cancel::stop);
  exchange_result result = co_await follow(std::move(operation));
  bool checked = check == checking::always || access::spec(child->program()).check;
  co_return conclude(std::move(result), child->program(), checked);
}

asio::awaitable<completed> run_to_end(pipeline stages, start_defaults defaults, checking check) {
  require_stages(stages);
  asio::any_io_executor executor = co_await begin_start();
  defaults.timeout = access::timeout_of(stages);
  bool checked = check == checking::always || access::check_of(stages);
  for (const command& stage : stages.stages()) checked = checked || access::spec(stage).check;
  const owned_children children = start_all(executor, stages, defaults);
  auto operation = std::make_shared<exchange>(children.all(), exchange::on_cancel::stop);
  exchange_result result = co_await follow(std::move(operation));
  co_return conclude(std::move(result), stages, checked);
}

} // namespace coproc::detail
