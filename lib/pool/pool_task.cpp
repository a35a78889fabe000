#include "pool/pool_task.hpp"

#include "loop/suspension.hpp"

#include <coproc/pool_terminated.hpp>
#include <coproc/queue_full.hpp>
#include <coproc/timeout_expired.hpp>

#include <asio/cancellation_state.hpp>
#include <asio/this_coro.hpp>

#include <stdexcept>

namespace coproc::detail {

void pool_task::finish() {
  if (auto* pool = std::exchange(pool_, nullptr)) pool->task_ends();
  if (waiters_) waiters_->complete_all();
  waiters_.reset();
  if (caller_) std::exchange(caller_, std::nullopt)->complete(true);
}

void pool_task::delivered(std::uint32_t, std::uint32_t, std::span<const std::byte> bytes, message* packet) {
  try {
    if (packet)
      result = std::move(*packet);
    else
      result.append(bytes.data(), bytes.size());
    how = state::succeeded;
  } catch (...) {
    error = std::current_exception();
    how = state::failed;
  }
  finish();
}

void pool_task::failed(std::uint32_t, std::uint32_t, const std::exception_ptr& why) {
  error = why;
  how = state::failed;
  finish();
}

void pool_task::dropped() noexcept {
  error = std::make_exception_ptr(pool_terminated());
  how = state::failed;
  pool_ = nullptr;
  if (waiters_) waiters_->drop();
  std::exchange(caller_, std::nullopt);
}

void pool_task::add_waiter(suspension<bool> waiter, std::optional<duration> limit) {
  if (!waiters_) waiters_ = std::make_unique<waiters>();
  waiters_->add(std::move(waiter), limit);
}

void pool_task::set_caller(suspension<bool> caller) { caller_.emplace(std::move(caller)); }

void pool_task::cancel(pool_policy::verdict fate) {
  if (pool_) pool_->cancel(*this, fate);
}

asio::awaitable<message> run_task(std::shared_ptr<pool_state> pool, pool_target target, message arguments) {
  pool->check_use(co_await asio::this_coro::executor);
  pool->require_open();
  if (!pool->has_room()) {
    const cancellation_watch watch(co_await asio::this_coro::cancellation_state);
    auto wait = [pool](suspension<bool> waiter) { pool->admissions().add(std::move(waiter)); };
    co_await suspend<bool>(std::move(wait));
    // Between being let in and this, both the pool and the caller may have changed their minds.
    if (watch.cancelled()) {
      pool->admission_declined();
      throw std::system_error(asio::error::operation_aborted);
    }
    pool->admitted();
  }
  auto task = std::make_shared<pool_task>(*pool, pool->number_of(target), std::move(arguments));
  task->is_operation = true;
  pool->submit(task, 1, pool_policy::unit_kind::task);
  if (task->how == pool_task::state::unfinished) {
    auto wait = [task](suspension<bool> waiter) {
      waiter.on_cancellation(task, [](pool_task& self, asio::cancellation_type_t type) {
        if (type != asio::cancellation_type::none) self.cancel(pool_policy::verdict::cancelled);
      });
      task->set_caller(std::move(waiter));
    };
    co_await suspend<bool>(std::move(wait));
  }
  if (task->error) std::rethrow_exception(task->error);
  co_return std::move(task->result);
}

void require_room(const pool_state& pool) {
  pool.require_open();
  if (!pool.has_room()) throw queue_full("pool: max_pending tasks wait already");
}

std::shared_ptr<pool_task> begin_task(pool_state& pool, pool_target target, message arguments) {
  require_room(pool); // again: what encodes the arguments may have begun tasks
  auto task = std::make_shared<pool_task>(pool, pool.number_of(target), std::move(arguments));
  pool.submit(task, 1, pool_policy::unit_kind::task);
  return task;
}

asio::awaitable<message*> task_access::result(std::shared_ptr<pool_task> task,
                                              std::optional<duration> limit) {
  if (task->how != pool_task::state::unfinished) {
    if (context_service::of(co_await asio::this_coro::executor).breathing_due()) co_await pass_through_loop();
  } else {
    task->check_use(co_await asio::this_coro::executor);
    auto wait = [task, limit](suspension<bool> waiter) { task->add_waiter(std::move(waiter), limit); };
    const bool finished = co_await suspend<bool>(std::move(wait));
    if (!finished && task->how == pool_task::state::unfinished)
      throw timeout_expired("pool: '" + task->name() + "' is not finished", *limit);
  }
  if (task->error) std::rethrow_exception(task->error);
  co_return &task->result;
}

asio::awaitable<void> task_access::wait(std::shared_ptr<pool_task> task) {
  if (task->how != pool_task::state::unfinished) co_return;
  task->check_use(co_await asio::this_coro::executor);
  auto wait = [task](suspension<bool> waiter) { task->add_waiter(std::move(waiter), std::nullopt); };
  co_await suspend<bool>(std::move(wait));
}

bool task_access::ready(const pool_task& task) noexcept { return task.how != pool_task::state::unfinished; }
bool task_access::successful(const pool_task& task) noexcept {
  return task.how == pool_task::state::succeeded;
}
void task_access::cancel(pool_task& task) { task.cancel(pool_policy::verdict::cancelled); }

void task_access::take_once(pool_task& task) {
  if (std::exchange(task.taken, true))
    throw std::logic_error(
        "async_result: a result that can only be moved, or holds a handle, has been taken before");
}

} // namespace coproc::detail
