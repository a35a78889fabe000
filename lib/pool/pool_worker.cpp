// The process of a worker: its start and its end.
#include "pool/pool_worker.hpp"

#include "ipc/message.hpp"
#include "pool/worker_main.hpp"

#include <asio/bind_cancellation_slot.hpp>
#include <asio/co_spawn.hpp>
#include <asio/post.hpp>

#include <new>
#include <string>
#include <system_error>
#include <utility>

namespace coproc::detail {

/// Passes the end of the process on to the pool's executor.
class pool_worker::end_observer final : public exit_observer {
public:
  end_observer(std::weak_ptr<pool_worker> worker, asio::any_io_executor executor)
      : worker_(std::move(worker)), executor_(std::move(executor)) {}

  void on_exit() override {
    asio::post(executor_, [weak = worker_] {
      auto self = weak.lock();
      if (!self || !self->pool_ || std::exchange(self->ended_, true)) return;
      self->pool_->on_ended(*self);
    });
  }
  void on_abandoned() override {}
  void on_unwatched(std::exception_ptr why) override { std::rethrow_exception(why); } // out of the loop

private:
  const std::weak_ptr<pool_worker> worker_;
  const asio::any_io_executor executor_;
};

pool_worker::pool_worker(pool_state& pool, pool_policy::worker& is) : pool_(&pool), is_(&is) {}

pool_worker::~pool_worker() { drop(); }

void pool_worker::drop() noexcept {
  pool_ = nullptr;
  if (process_) {
    if (observer_ && process_->maybe_child()) process_->maybe_child()->remove_observer(*observer_);
    process_->abandon();
  }
  process_.reset();
  if (link_) link_->socket().close();
}

void pool_worker::start() {
  starting_ = true;
  auto started = [self = shared_from_this()](std::exception_ptr error) { self->on_started(error); };
  asio::co_spawn(pool_->executor_, run_start(),
                 asio::bind_cancellation_slot(start_.slot(), std::move(started)));
}

asio::awaitable<void> pool_worker::run_start() {
  // The coroutine holds all that it needs: the pool may go meanwhile.
  auto self = shared_from_this();
  if (!pool_) co_return;
  link_ = std::make_unique<host_link>(pool_->executor_);
  process_options options;
  options.name("PoolWorker-" + std::to_string(is_->id));
  if (pool_->method_) options.method(*pool_->method_);
  target_call call = begin_call(&run_pool_worker, "pool worker");
  link_->add_arguments(call.encoded, pool_->settings_);
  process_ =
      std::make_shared<function_process>(std::move(options), std::move(call), function_process::owner::pool);
  auto process = process_;
  co_await function_process::start(process);
}

void pool_worker::on_started(std::exception_ptr error) {
  starting_ = false;
  if (!pool_ || pool_->left_to_host()) {
    drop();
    return;
  }
  const auto now = pool_state::clock::now();
  auto self = shared_from_this();
  if (error) {
    ended_ = true;
    pool_policy& policy = pool_->policy_;
    if (killed_) {
      pool_->workers_.erase(is_);
      policy.ended(*is_, false, now);
    } else {
      auto left = pool_policy::hope::later;
      try {
        std::rethrow_exception(error);
      } catch (const std::system_error&) {
      } catch (const std::bad_alloc&) {
      } catch (...) {
        left = pool_policy::hope::none; // init() is missing, or the target: that does not mend itself
      }
      pool_->errors_.start_failed(error);
      pool_->workers_.erase(is_);
      policy.start_failed(*is_, left, now);
    }
    pool_->pump();
    return;
  }
  pid_ = process_->child().pid();
  if (killed_) return kill();
  pool_->policy_.started(*is_, now);
  if (is_->state == pool_policy::worker_state::initialising) hand_initializer();
  pool_->touch(*this);
  pool_->pump();
}

void pool_worker::kill() {
  killed_ = true;
  if (starting_) {
    start_.emit(asio::cancellation_type::terminal);
    return;
  }
  if (ended_) return;
  process_->child().kill_now();
  watch_end();
}

void pool_worker::retire() {
  link_->shut_down();
  watch_end();
}

void pool_worker::watch_end() {
  if (observer_ || !process_ || !process_->maybe_child() || ended_) return;
  try {
    auto observer = std::make_shared<end_observer>(weak_from_this(), pool_->executor_);
    if (!process_->child().add_observer(observer)) observer->on_exit();
    observer_ = std::move(observer);
    end_unwatched_ = false;
  } catch (const std::exception&) { // no memory: the timer tries again
    end_unwatched_ = true;
    look_again_ = pool_state::clock::now() + std::chrono::milliseconds(10);
  }
}

void pool_worker::leave_end_alone() {
  end_unwatched_ = false;
  if (!observer_) return;
  process_->child().remove_observer(*observer_);
  observer_.reset();
}

bool pool_worker::has_ended() {
  return process_ && process_->maybe_child() && !ended_ && process_->child().look().has_value();
}

exit_status pool_worker::status() const {
  if (!process_ || !process_->maybe_child()) return {};
  auto record = process_->child().record();
  return record ? record->status : exit_status();
}

void pool_worker::gone() noexcept {
  ended_ = true;
  end_unwatched_ = false;
  if (link_) link_->socket().close();
  pool_ = nullptr;
}

} // namespace coproc::detail
