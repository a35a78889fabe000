#include "os/fork.hpp"
#include "worker/fork_client.hpp"

#include <asio/execution/outstanding_work.hpp>
#include <asio/io_context.hpp>
#include <asio/prefer.hpp>
#include <asio/strand.hpp>
#include <asio/thread_pool.hpp>

#include <typeinfo>

namespace coproc::detail {

namespace {

/// @returns what @p executor holds if it is a strand of this kind. (target() of Asio 1.22 does not look at
/// the type: execution/any_executor.hpp.)
template <class Inner>
const asio::strand<Inner>* strand_in(const asio::any_io_executor& executor) {
  if (executor.target_type() != typeid(asio::strand<Inner>)) return nullptr;
  return executor.target<asio::strand<Inner>>();
}

/// What belongs to all users of a context runs on none of their strands.
asio::any_io_executor without_strand(const asio::any_io_executor& executor) {
  if (const auto* strand = strand_in<asio::io_context::executor_type>(executor))
    return strand->get_inner_executor();
  if (const auto* strand = strand_in<asio::thread_pool::executor_type>(executor))
    return strand->get_inner_executor();
  if (const auto* strand = strand_in<asio::any_io_executor>(executor))
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
    for (const auto& client : ending_) client->drop_graveyard();
  }

  std::shared_ptr<fork_client> client(const asio::any_io_executor& executor) {
    std::shared_ptr<fork_client> left; // goes when its children have gone
    std::lock_guard lock(mutex_);
    if (client_ && !client_->is_ours()) {
      std::erase_if(left_, [](const auto& one) { return one.expired(); });
      left_.push_back(client_);
      left = std::move(client_);
    }
    if (!client_) {
      ending_.reserve(left_.size() + 1); // for the end, which must not fail
      // Nor does it keep a loop running that a coroutine with an executor of its own does.
      client_ = std::make_shared<fork_client>(
          asio::prefer(without_strand(executor), asio::execution::outstanding_work.untracked));
    }
    return client_;
  }

private:
  void notify_fork(asio::execution_context::fork_event event) override {
    if (event != asio::execution_context::fork_child || os::is_forked_child()) return;
    if (client_) client_->forked();
    for (const auto& one : left_)
      if (auto client = one.lock()) client->forked();
  }

  void shutdown() noexcept override {
    if (client_) ending_.push_back(std::move(client_));
    for (const auto& one : left_)
      if (auto client = one.lock()) ending_.push_back(std::move(client));
    for (const auto& client : ending_) client->shutdown();
  }

  std::mutex mutex_;
  std::shared_ptr<fork_client> client_;
  std::vector<std::weak_ptr<fork_client>> left_; // served the process while it had other rights
  std::vector<std::shared_ptr<fork_client>> ending_;
};

asio::execution_context::id fork_service::id;

} // namespace

std::shared_ptr<fork_client> fork_client::of(const asio::any_io_executor& executor) {
  return asio::use_service<fork_service>(context_of(executor)).client(executor);
}

} // namespace coproc::detail
