#include "worker/fork_client.hpp"

#include "ipc/message.hpp"
#include "ipc/packet.hpp"
#include "os/error.hpp"
#include "os/liveness.hpp"
#include "os/open.hpp"
#include "os/reaper.hpp"
#include "os/socket.hpp"
#include "worker/bootstrap.hpp"
#include "worker/forked_process.hpp"

#include <coproc/bootstrap_error.hpp>
#include <coproc/wire.hpp>

#include <asio/execution/outstanding_work.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/prefer.hpp>
#include <asio/steady_timer.hpp>
#include <asio/strand.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>

#include <cerrno>

#include <poll.h>
#include <signal.h>
#include <unistd.h>

namespace coproc::detail {

namespace {

/// What belongs to all users of a context runs on none of their strands.
asio::any_io_executor without_strand(const asio::any_io_executor& executor) {
  if (const auto* strand = executor.target<asio::strand<asio::io_context::executor_type>>())
    return strand->get_inner_executor();
  if (const auto* strand = executor.target<asio::strand<asio::any_io_executor>>())
    return without_strand(strand->get_inner_executor());
  return executor;
}

/// Owns the client of one execution context.
class fork_service final : public asio::execution_context::service {
public:
  using key_type = fork_service;
  static asio::execution_context::id id;

  explicit fork_service(asio::execution_context& context) : service(context) {}
  ~fork_service() override {
    if (client_) client_->drop_graveyard();
  }

  std::shared_ptr<fork_client> client(const asio::any_io_executor& executor) {
    std::lock_guard lock(mutex_);
    if (!client_) {
      // Nor does it keep a loop running that a coroutine with an executor of its own does.
      client_ = std::make_shared<fork_client>(
          asio::prefer(without_strand(executor), asio::execution::outstanding_work.untracked));
    }
    return client_;
  }

private:
  void shutdown() noexcept override {
    if (client_) client_->shutdown();
  }

  std::mutex mutex_;
  std::shared_ptr<fork_client> client_;
};

asio::execution_context::id fork_service::id;

std::vector<std::string> current_environment() {
  std::vector<std::string> result;
  for (char** at = environ; at && *at; ++at) result.emplace_back(*at);
  return result;
}

bool same_environment(const std::vector<std::string>& sent) {
  std::size_t i = 0;
  char** at = environ;
  for (; at && *at; ++at, ++i)
    if (i == sent.size() || sent[i] != *at) return false;
  return i == sent.size();
}

os::exit_record record_of(const end_report& report) {
  os::exit_record result;
  if (!report.known)
    result.status = exit_status::unknown();
  else if (report.code < 0)
    result.status = exit_status::signaled(-report.code, report.core_dumped);
  else
    result.status = exit_status::exited(report.code);
  using std::chrono::duration_cast;
  using std::chrono::nanoseconds;
  resource_usage usage;
  usage.user = duration_cast<duration>(nanoseconds(report.user));
  usage.system = duration_cast<duration>(nanoseconds(report.system));
  usage.max_rss_bytes = report.max_rss_bytes;
  usage.minor_faults = report.minor_faults;
  usage.major_faults = report.major_faults;
  usage.voluntary_context_switches = report.voluntary;
  usage.involuntary_context_switches = report.involuntary;
  result.usage = usage;
  return result;
}

} // namespace

std::shared_ptr<fork_client> fork_client::of(const asio::any_io_executor& executor) {
  return asio::use_service<fork_service>(context_of(executor)).client(executor);
}

fork_client::fork_client(asio::any_io_executor executor)
    : places_(std::make_shared<places>(32)), executor_(std::move(executor)) {}

fork_client::~fork_client() { shutdown(); }

void fork_client::shutdown() noexcept {
  places_->shutdown();
  std::unordered_map<std::uint64_t, std::shared_ptr<waiting>> orders;
  {
    lock_type lock(mutex_);
    if (!executor_) return;
    executor_ = {};
    orders.swap(orders_);
    for (auto& [id, child] : children_)
      if (child.on_end) graveyard_.push_back(std::exchange(child.on_end, nullptr));
    waiting_ = 0;
    close_socket();
    std::erase_if(children_, [](const auto& child) { return !child.second.record; });
  }
  // Dropping them, outside of the lock, destroys the coroutines that wait. Completing them would do that as
  // well, at once and here, where it is a strand that has ended already.
}

void fork_client::drop_graveyard() noexcept {
  std::vector<handler_type> handlers;
  {
    lock_type lock(mutex_);
    handlers.swap(graveyard_);
  }
}

// Orders.

asio::awaitable<fork_outcome> fork_client::start(std::shared_ptr<fork_client> client, fork_order order,
                                                 forked_process& process) {
  std::uint64_t id;
  {
    lock_type lock(client->mutex_);
    id = ++client->last_id_;
  }
  process.assign(id);
  auto shared = std::make_shared<fork_order>(std::move(order));
  fork_outcome outcome;
  for (int attempt = 0;; ++attempt) {
    auto submit = [client, shared, id](suspension<fork_outcome> waiter) {
      client->submit(*shared, id, std::move(waiter));
    };
    outcome = co_await suspend<fork_outcome>(std::move(submit));
    if (outcome.what != fork_outcome::kind::busy) break;
    // More descriptors are under way than this user may have (unix(7)), and not by us alone.
    if (outcome.error == ETOOMANYREFS && attempt == 1000)
      os::throw_errno(outcome.error, "start " + shared->name + ": cannot ask the fork server");
    asio::steady_timer moment(co_await asio::this_coro::executor, std::chrono::milliseconds(1));
    co_await moment.async_wait(asio::use_awaitable);
  }
  if (outcome.what == fork_outcome::kind::started && outcome.pid > 0)
    process.adopt(outcome.pid, std::move(outcome.pidfd));
  co_return std::move(outcome);
}

/// Must not throw: it runs inside of an Asio initiation.
void fork_client::submit(fork_order& order, std::uint64_t id, suspension<fork_outcome> waiter) {
  auto added = std::make_shared<waiting>(waiting{std::move(waiter)});
  added->waiter.on_cancellation(
      added, [weak = weak_from_this(), id](waiting&, asio::cancellation_type_t type) {
        auto client = weak.lock();
        if (!client || (type & asio::cancellation_type::terminal) == asio::cancellation_type::none) return;
        std::shared_ptr<waiting> found;
        {
          lock_type lock(client->mutex_);
          found = client->take_order(lock, id);
          client->forget_locked(lock, id);
        }
        if (found) found->waiter.fail(aborted());
      });
  std::exception_ptr failure;
  fork_outcome outcome;
  {
    lock_type lock(mutex_);
    bool entered = false;
    try {
      // The look at the server may be what shows that there can be none.
      const bool is_there = server_is_there(lock);
      if (!unusable_ && !is_there) start_server(lock);
      if (unusable_) {
        outcome.what = fork_outcome::kind::unusable;
      } else {
        orders_.emplace(id, added);
        entered = true;
        ++waiting_;
        children_.try_emplace(id);
        watch(lock);
        outcome = send_order(lock, order, id);
        if (outcome.what == fork_outcome::kind::started) return; // to be, when the server has answered
      }
    } catch (...) {
      failure = std::current_exception();
    }
    // If the server was lost, that has completed it.
    if (entered && !take_order(lock, id)) return;
    forget_locked(lock, id);
  }
  if (failure)
    added->waiter.fail(failure);
  else
    added->waiter.complete(std::move(outcome));
}

/// @returns the kind `started` if the order is on its way, and else why it is not.
fork_outcome fork_client::send_order(lock_type& lock, fork_order& order, std::uint64_t id) {
  order.request.id = id;
  order.request.new_environment = !sent_environment_ || !same_environment(*sent_environment_);
  if (order.request.new_environment)
    order.request.environment = current_environment();
  else
    order.request.environment.clear();
  message encoded;
  wire::encode(encoded, order.request);
  std::vector<int> descriptors;
  if (order.call) {
    const std::span<const std::byte> call = order.call->bytes();
    encoded.append(call.data(), call.size());
    descriptors = message_access::descriptors(*order.call);
  }
  for (const os::unique_fd* fd : {&order.channel, &order.lifeline, &order.directory})
    descriptors.push_back(fd->get());
  descriptors.insert(descriptors.end(), order.streams.begin(), order.streams.end());
  fork_outcome outcome;
  outcome.error = send_message(socket_.get(), static_cast<std::uint32_t>(fork_kind::start), encoded,
                               descriptors, os::blocking::no);
  if (outcome.error == EAGAIN || outcome.error == ETOOMANYREFS) {
    outcome.what = fork_outcome::kind::busy;
    return outcome;
  }
  // From here on the child-to-be alone has them.
  order.channel.reset();
  order.lifeline.reset();
  order.directory.reset();
  if (outcome.error == EPIPE) {
    outcome.what = fork_outcome::kind::server_gone;
    drain(lock); // its last words, after which it is lost
    return outcome;
  }
  if (outcome.error != 0)
    os::throw_errno(outcome.error, "start " + order.name + ": cannot ask the fork server");
  if (order.request.new_environment) sent_environment_ = std::move(order.request.environment);
  outcome.what = fork_outcome::kind::started;
  return outcome;
}

std::shared_ptr<fork_client::waiting> fork_client::take_order(lock_type&, std::uint64_t id) {
  auto at = orders_.find(id);
  if (at == orders_.end()) return nullptr;
  auto found = std::move(at->second);
  orders_.erase(at);
  --waiting_;
  return found;
}

// The server.

bool fork_client::server_is_there(lock_type& lock) {
  if (!socket_) return false;
  pollfd hung_up{socket_.get(), 0, 0};
  if (::poll(&hung_up, 1, 0) == 1 && (hung_up.revents & POLLHUP)) {
    drain(lock); // its last words
    if (socket_) lose_server(lock);
  }
  return static_cast<bool>(socket_);
}

void fork_client::start_server(lock_type&) {
  require_init("the fork server");
  os::packet_pair ends = os::make_packet_pair("fork server: cannot create a channel");
  const std::string option = std::string(server_option) + std::to_string(ends.second.get());
  // The server has 0, 1 and 2 open, so that what it is sent for a child gets none of these numbers. stderr is
  // for its own last words.
  os::unique_fd null = os::open_null(true, "fork server: cannot open /dev/null");
  os::launch_plan plan;
  plan.program = "fork server";
  plan.candidates.push_back("/proc/self/exe");
  plan.argv = {identity().program.c_str(), option.c_str(), nullptr};
  plan.redirects = {{null.get(), 0}, {null.get(), 1}, {os::is_open(2) ? 2 : null.get(), 2}};
  plan.inherited = {ends.second.get()};
  plan.group = group_mode::own;
  // It looks up its functions once, at its start, in place of each of its children: 0.1 ms a child, ld.so(8).
  std::vector<std::string> variables;
  if (!binds_lazily_) {
    variables = current_environment();
    variables.emplace_back("LD_BIND_NOW=1");
    for (const std::string& variable : variables) plan.envp.push_back(variable.c_str());
    plan.envp.push_back(nullptr);
  }
  // What can fail for the loop fails before the server is there.
  asio::posix::stream_descriptor descriptor(executor_);
  asio::error_code error;
  descriptor.assign(ends.first.get(), error);
  if (error) os::throw_errno(error.value(), "fork server: cannot watch it");
  try {
    server_ = os::launch(plan);
  } catch (...) {
    descriptor.release();
    throw;
  }
  descriptor_.emplace(std::move(descriptor));
  ++server_number_;
  greeted_ = false;
  socket_ = std::move(ends.first);
  sent_environment_.reset();
}

void fork_client::close_socket() noexcept {
  if (descriptor_) {
    try {
      if (descriptor_->is_open()) descriptor_->release();
    } catch (...) {
    }
    descriptor_.reset();
    watching_ = false;
  }
  if (socket_) os::shut_down(socket_.get());
  socket_.reset();
  if (server_.pid > 0) os::reap_later(std::exchange(server_, {}));
}

/// It is dead, or not wanted any more. Its children live on.
void fork_client::lose_server(lock_type&) {
  close_socket();
  // A program may have functions that are found nowhere, and that it never calls.
  if (!greeted_) binds_lazily_ = true;
  for (auto& [id, order] : orders_) lost_orders_.push_back(std::move(order));
  waiting_ -= orders_.size();
  orders_.clear();
  // Whoever waits for a child finds out that it is on its own now.
  for (auto& [id, child] : children_) {
    if (child.record || !child.on_end) continue;
    --waiting_;
    post(std::exchange(child.on_end, nullptr), false);
  }
  std::erase_if(children_, [](const auto& child) { return !child.second.record; });
  complete_lost_orders();
}

void fork_client::watch(lock_type&) {
  if (waiting_ == 0) {
    asio::error_code ignored;
    if (watching_ && descriptor_) descriptor_->cancel(ignored);
    return;
  }
  if (watching_ || !descriptor_) return;
  watching_ = true;
  descriptor_->async_wait(asio::posix::stream_descriptor::wait_read,
                          [weak = weak_from_this(), server = server_number_](const asio::error_code&) {
                            auto client = weak.lock();
                            if (!client) return;
                            lock_type lock(client->mutex_);
                            if (client->server_number_ != server) return; // lost, and another is there
                            client->watching_ = false;
                            client->drain(lock);
                            client->watch(lock);
                          });
}

/// Takes what the server has said.
void fork_client::drain(lock_type& lock) {
  while (socket_) {
    incoming next;
    try {
      next = receive_message(socket_.get(), {buffer_.get(), max_inline}, os::blocking::no);
      if (next.error == EAGAIN) return;
      // EMFILE: it came without its descriptor, for which this process has no room; one can do without.
      if ((next.error == 0 && !next.closed) || (next.error == EMFILE && next.kind != 0)) {
        handle(lock, next);
        continue;
      }
    } catch (const std::exception&) {
      // It does not speak the language of a fork server: somebody wrote to its descriptor. It is of no use.
    }
    lose_server(lock);
  }
}

void fork_client::handle(lock_type& lock, incoming& next) {
  std::span<const std::byte> bytes = next.bytes();
  switch (static_cast<fork_kind>(next.kind)) {
  case fork_kind::hello:
    greeted_ = true;
    if (!wire::decode<server_hello>(bytes, nullptr).usable) unusable_ = true;
    break;
  case fork_kind::started: {
    auto reply = wire::decode<start_reply>(bytes, nullptr);
    fork_outcome outcome;
    outcome.what = reply.missing_code ? fork_outcome::kind::missing_code : fork_outcome::kind::started;
    outcome.error = reply.error;
    outcome.pid = reply.pid;
    outcome.pidfd = os::above_standard_streams(os::unique_fd(next.body.take(0)));
    if (reply.pid <= 0) children_.erase(reply.id);
    if (auto order = take_order(lock, reply.id)) order->waiter.complete(std::move(outcome));
    break;
  }
  case fork_kind::ended: {
    auto report = wire::decode<end_report>(bytes, nullptr);
    auto at = children_.find(report.id);
    if (at == children_.end()) break;
    at->second.record = record_of(report);
    if (at->second.on_end) {
      --waiting_;
      post(std::exchange(at->second.on_end, nullptr), false);
    }
    break;
  }
  default:
    break;
  }
}

void fork_client::complete_lost_orders() {
  for (auto& order : std::exchange(lost_orders_, {})) {
    fork_outcome outcome;
    outcome.what = unusable_ ? fork_outcome::kind::unusable : fork_outcome::kind::server_gone;
    order->waiter.complete(std::move(outcome));
  }
}

void fork_client::post(handler_type handler, bool was_aborted) {
  if (executor_)
    asio::post(executor_, [handler = std::move(handler), was_aborted] { handler(was_aborted); });
  else
    graveyard_.push_back(std::move(handler));
}

// Its children.

void fork_client::wait_for(std::uint64_t id, handler_type handler) {
  lock_type lock(mutex_);
  auto at = children_.find(id);
  if (at == children_.end() || at->second.record) return post(std::move(handler), false);
  at->second.on_end = std::move(handler);
  ++waiting_;
  watch(lock);
}

void fork_client::cancel_wait(std::uint64_t id) {
  lock_type lock(mutex_);
  auto at = children_.find(id);
  if (at == children_.end() || !at->second.on_end) return;
  --waiting_;
  post(std::exchange(at->second.on_end, nullptr), true);
  watch(lock);
}

std::optional<os::exit_record> fork_client::look(std::uint64_t id) {
  lock_type lock(mutex_);
  auto at = children_.find(id);
  if (at != children_.end() && !at->second.record) {
    drain(lock);
    watch(lock); // that may have been the last thing to wait for
    at = children_.find(id);
  }
  if (at == children_.end()) return std::nullopt;
  return at->second.record;
}

bool fork_client::knows(std::uint64_t id) {
  lock_type lock(mutex_);
  return children_.contains(id);
}

void fork_client::forget(std::uint64_t id) {
  lock_type lock(mutex_);
  forget_locked(lock, id);
}

void fork_client::forget_locked(lock_type& lock, std::uint64_t id) {
  auto at = children_.find(id);
  if (at == children_.end()) return;
  if (at->second.on_end) {
    --waiting_;
    post(std::exchange(at->second.on_end, nullptr), true);
  }
  children_.erase(at);
  watch(lock);
}

int fork_client::signal(std::uint64_t id, int number, signal_target target) noexcept {
  try {
    lock_type lock(mutex_);
    if (!socket_ || !children_.contains(id)) return ESRCH;
    child_signal order;
    order.id = id;
    order.number = number;
    order.to_group = target == signal_target::group;
    message encoded;
    wire::encode(encoded, order);
    return send_message(socket_.get(), static_cast<std::uint32_t>(fork_kind::signal), encoded,
                        os::blocking::no);
  } catch (const std::bad_alloc&) {
    return ENOMEM;
  }
}

} // namespace coproc::detail
