#include "worker/fork_client.hpp"

#include <asio/execution/outstanding_work.hpp>
#include <asio/io_context.hpp>
#include <asio/prefer.hpp>
#include <asio/strand.hpp>

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

} // namespace

std::shared_ptr<fork_client> fork_client::of(const asio::any_io_executor& executor) {
  return asio::use_service<fork_service>(context_of(executor)).client(executor);
}

} // namespace coproc::detail
