#include "os/fd_watch.hpp"

#include "os/fork_mark.hpp"

#include <asio/execution/context.hpp>
#include <asio/execution_context.hpp>
#include <asio/query.hpp>

namespace coproc::os {

/// Tells the process whose loop a context has from its forks. One that has told the context of itself has a
/// loop of its own, execution_context::notify_fork(3).
class loop_owner final : public asio::execution_context::service {
public:
  using key_type = loop_owner;
  static asio::execution_context::id id;

  explicit loop_owner(asio::execution_context& context) : service(context) {}

  bool is_this_process() const noexcept { return mark_.is_original(); }

private:
  void shutdown() noexcept override {}
  void notify_fork(asio::execution_context::fork_event event) override {
    if (event == asio::execution_context::fork_child) mark_ = {};
  }

  fork_mark mark_;
};

asio::execution_context::id loop_owner::id;

fd_watch::fd_watch(const asio::any_io_executor& executor)
    : descriptor_(executor),
      owner_(&asio::use_service<loop_owner>(asio::query(executor, asio::execution::context))) {}

asio::error_code fd_watch::join(int fd) {
  asio::error_code error;
  if (!has_joined()) descriptor_.assign(fd, error);
  return error;
}

void fd_watch::cancel() {
  asio::error_code ignored;
  if (has_joined()) descriptor_.cancel(ignored);
}

bool fd_watch::loop_is_ours() const noexcept { return owner_->is_this_process(); }

void fd_watch::release() noexcept {
  try {
    descriptor_.release();
  } catch (...) {
    // It has no failure that could be met here (Asio documents them as for Windows).
  }
}

} // namespace coproc::os
