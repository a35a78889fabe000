#pragma once

#include "pool/pool_state.hpp"
#include "pool/waiters.hpp"

#include <memory>

namespace coproc::detail {

/// One task: a call whose result somebody may ask for.
class pool_task final : public pool_owner {
public:
  pool_task(pool_state& pool, std::uint32_t target_, message arguments_)
      : pool_owner(1, target_, std::move(arguments_)), pool_(&pool) {
    pends = true;
    pool.task_begins();
  }

  enum class state { unfinished, succeeded, failed };
  state how = state::unfinished;
  message result;
  std::exception_ptr error;
  bool taken = false;

  /// Of apply().
  void set_caller(suspension<bool> caller);
  /// Of async_result.
  void add_waiter(suspension<bool> waiter, std::optional<duration> limit);
  void cancel(pool_policy::verdict fate);
  void check_use(const asio::any_io_executor& used) {
    if (pool_) pool_->check_use(used);
  }
  std::string name() const { return pool_ ? pool_->name_of(target) : "task"; }

private:
  void delivered(std::uint32_t, std::uint32_t, std::span<const std::byte> bytes, message* packet) override;
  void failed(std::uint32_t, std::uint32_t, const std::exception_ptr& why) override;
  void dropped() noexcept override;
  void finish();

  pool_state* pool_; // null once it is finished
  std::optional<suspension<bool>> caller_;
  std::unique_ptr<waiters> waiters_;
};

} // namespace coproc::detail
