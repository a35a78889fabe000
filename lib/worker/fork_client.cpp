#include "worker/fork_client.hpp"

#include "ipc/message.hpp"
#include "ipc/packet.hpp"
#include "os/boost_process.hpp"
#include "os/error.hpp"
#include "os/open.hpp"
#include "worker/end_report.hpp"
#include "worker/forked_process.hpp"

#include <coproc/wire.hpp>

#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>

#include <cerrno>

namespace coproc::detail {

fork_client::fork_client(asio::any_io_executor executor)
    : places_(std::make_shared<places>(32)), executor_(std::move(executor)) {}

fork_client::~fork_client() { shutdown(); }

bool fork_client::is_ours() {
  lock_type lock(mutex_);
  return !link_.is_open() || link_.is_ours();
}

void fork_client::forked() {
  lock_type lock(mutex_);
  if (link_.is_copy()) drain(lock, extent::all);
}

void fork_client::shutdown() noexcept {
  places_->shutdown();
  std::unordered_map<std::uint64_t, std::shared_ptr<waiting>> orders;
  {
    lock_type lock(mutex_);
    if (!executor_) return;
    executor_ = {};
    orders.swap(orders_);
    for (auto& [id, child] : children_) graveyard_.splice(graveyard_.end(), child.on_end);
    waiting_ = 0;
    try {
      drain(lock, extent::all); // how those ended that nobody waited for
    } catch (const std::bad_alloc&) {
      // Nobody can tell that of some of them.
    }
    link_.leave_loop();
    close_if_done(lock);
  }
  // Dropping them, outside of the lock, destroys the coroutines that wait. Completing them would do that as
  // well, at once and here, where it is a strand that has ended already.
}

/// The server outlives the context for as long as there are handles of its children: they may want to signal
/// a group, which before Linux 6.9 only the server can.
void fork_client::close_if_done(lock_type&) noexcept {
  if (executor_) return;
  for (const auto& [id, child] : children_)
    if (!child.record) return;
  link_.close();
}

void fork_client::drop_graveyard() noexcept {
  std::list<shared_handler> handlers;
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
    auto submit = [client, shared, id, added = std::make_shared<waiting>()](suspension<fork_outcome> waiter) {
      added->waiter.emplace(std::move(waiter));
      client->submit(*shared, id, added);
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
void fork_client::submit(fork_order& order, std::uint64_t id, const std::shared_ptr<waiting>& added) {
  const auto on_cancel = [weak = weak_from_this(), id](waiting&, asio::cancellation_type_t type) {
    auto client = weak.lock();
    if (!client || (type & asio::cancellation_type::terminal) == asio::cancellation_type::none) return;
    std::shared_ptr<waiting> found;
    {
      lock_type lock(client->mutex_);
      found = client->take_order(lock, id);
      if (found) client->forget_locked(lock, id); // else it has been started
    }
    if (found) found->waiter->fail(aborted());
  };
  std::exception_ptr failure;
  fork_outcome outcome;
  {
    lock_type lock(mutex_);
    bool entered = false;
    try {
      added->waiter->on_cancellation(added, on_cancel);
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
    added->waiter->fail(failure);
  else
    added->waiter->complete(std::move(outcome));
}

/// @returns the kind `started` if the order is on its way, and else why it is not.
fork_outcome fork_client::send_order(lock_type& lock, fork_order& order, std::uint64_t id) {
  order.request.id = id;
  order.request.new_environment = !link_.knows_environment();
  if (order.request.new_environment)
    order.request.environment = os::host_environment();
  else
    order.request.environment.clear();
  // The server stays in the directory, so it is still the same if it seems to be.
  const std::optional<os::directory_id> where = os::working_directory_id();
  os::unique_fd directory;
  order.request.new_directory = !where || !link_.knows_directory(*where);
  if (order.request.new_directory)
    directory = os::open_working_directory("process " + order.name + ": cannot open the working directory");
  message encoded;
  wire::encode(encoded, order.request);
  std::vector<int> descriptors;
  if (order.call) {
    const std::span<const std::byte> call = order.call->bytes();
    encoded.append(call.data(), call.size());
    descriptors = message_access::descriptors(*order.call);
  }
  descriptors.push_back(order.lifeline.get());
  descriptors.push_back(order.channel.get());
  if (directory) descriptors.push_back(directory.get());
  descriptors.insert(descriptors.end(), order.streams.begin(), order.streams.end());
  fork_outcome outcome;
  outcome.error = link_.send(fork_kind::start, encoded, descriptors);
  if (outcome.error == EAGAIN || outcome.error == ETOOMANYREFS) {
    outcome.what = fork_outcome::kind::busy;
    return outcome;
  }
  // From here on the child-to-be alone has them.
  order.channel.reset();
  order.lifeline.reset();
  if (outcome.error == EPIPE) {
    outcome.what = fork_outcome::kind::server_gone;
    drain(lock, extent::all); // its last words, after which it is lost
    return outcome;
  }
  if (outcome.error != 0)
    os::throw_errno(outcome.error, "start " + order.name + ": cannot ask the fork server");
  if (order.request.new_environment) link_.told_environment(std::move(order.request.environment));
  if (order.request.new_directory) link_.told_directory(where);
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
  if (!link_.is_open()) return false;
  if (link_.is_copy() || link_.has_hung_up()) {
    drain(lock, extent::all); // its last words
    if (link_.is_open()) lose_server(lock);
  }
  return link_.is_open();
}

void fork_client::start_server(lock_type&) {
  link_.open(executor_, binds_lazily_ ? fork_link::binding::lazy : fork_link::binding::at_start);
  greeted_ = false;
  is_lost_ = false;
  stuck_ = false;
}

/// It is dead, or not wanted any more, or the host's, of whom this is a fork. Its children live on.
/// @throws std::bad_alloc: somebody waits still, and the link stays, so that the loop tries again.
void fork_client::lose_server(lock_type&) {
  is_lost_ = true;
  // A program may have functions that are found nowhere, and that it never calls.
  if (!greeted_ && !link_.is_copy()) binds_lazily_ = true;
  const auto orders = std::exchange(orders_, {});
  waiting_ -= orders.size();
  std::exception_ptr failure;
  const auto attempt = [&failure](auto step) {
    try {
      step();
    } catch (...) {
      if (!failure) failure = std::current_exception();
    }
  };
  // Whoever waits for a child finds out that it is on its own now.
  for (auto& [id, child] : children_)
    if (!child.record) attempt([&] { tell(child, news::ended); });
  for (const auto& [id, order] : orders) attempt([&] { complete_lost(*order); });
  if (failure) std::rethrow_exception(failure);
  link_.close();
  std::erase_if(children_, [](const auto& child) { return !child.second.record; });
}

void fork_client::watch(lock_type&) {
  if (waiting_ == 0) return link_.unwatch();
  link_.watch([weak = weak_from_this(), server = link_.number()](const asio::error_code&) {
    auto client = weak.lock();
    if (!client) return;
    lock_type lock(client->mutex_);
    if (client->link_.number() != server) return; // lost, and another is there
    client->link_.watched();
    try {
      client->drain(lock, extent::awaited);
    } catch (...) {
      // No memory, as whoever runs the loop is told. What could not be told is told when it runs again.
      client->watch(lock);
      if (client->untold_) client->link_.unwatch();
      throw;
    }
    client->watch(lock);
  });
}

/// Takes what the server has said, all of it or what somebody waits for.
/// @throws std::bad_alloc: what it has said is on record, and may be untold.
void fork_client::drain(lock_type& lock, extent wanted) {
  tell_untold(lock);
  if (link_.is_open() && (is_lost_ || link_.is_copy()))
    return lose_server(lock); // a copy's speaks to the host
  while (link_.is_open() && (wanted == extent::all || waiting_ != 0)) {
    incoming next;
    try {
      next = link_.receive();
      if (next.error == EAGAIN) return;
      // EMFILE: it came without its descriptor, for which this process has no room; one can do without.
      if ((next.error == 0 && !next.closed) || (next.error == EMFILE && next.kind != 0)) {
        handle(lock, next);
        continue;
      }
    } catch (const std::bad_alloc&) {
      throw;
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
    outcome.not_there = reply.not_there;
    outcome.pid = reply.pid;
    outcome.pidfd = link_.take_descriptor();
    if (reply.pid <= 0) children_.erase(reply.id);
    if (reply.error != 0) link_.forget_told(); // it may not have got that either
    if (auto order = take_order(lock, reply.id)) order->waiter->complete(std::move(outcome));
    break;
  }
  case fork_kind::ended: {
    auto report = wire::decode<end_report>(bytes, nullptr);
    auto at = children_.find(report.id);
    if (at == children_.end()) break;
    at->second.record = record_of(report);
    tell(at->second, news::ended);
    break;
  }
  default:
    break;
  }
}

void fork_client::complete_lost(waiting& order) {
  // A copy asks no server of its own for the same once more.
  if (link_.is_copy()) return order.waiter->fail(aborted());
  fork_outcome outcome;
  outcome.what = unusable_ ? fork_outcome::kind::unusable : fork_outcome::kind::server_gone;
  order.waiter->complete(std::move(outcome));
}

} // namespace coproc::detail
