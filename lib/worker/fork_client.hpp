#pragma once

#include "ipc/packet.hpp"
#include "loop/context_service.hpp"
#include "loop/suspension.hpp"
#include "os/fd.hpp"
#include "os/reap.hpp"
#include "worker/fork_link.hpp"
#include "worker/places.hpp"
#include "worker/protocol.hpp"

#include <coproc/detail/message.hpp>

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace coproc::detail {

class forked_process;

enum class signal_target { process, group };

/// What came of a request to the fork server.
struct fork_outcome {
  enum class kind {
    started,
    missing_code, ///< The server does not have the code that the child was to run.
    unusable,     ///< The program can't have a fork server: its static initialisers start threads.
    server_gone,  ///< It died before it answered.
    busy,         ///< It is behind with what it was sent, and was not asked.
  };
  kind what = kind::server_gone;
  int error = 0;          ///< errno of the fork, or of what came before it:
  bool not_there = false; ///< the server could not go to the working directory.
  int pid = -1;
  os::unique_fd pidfd;
};

/// A child to be: what is handed to the server with the request.
struct fork_order {
  start_request request; ///< But for the id, the working directory and the environment.
  std::string name;      ///< For messages.
  os::host_fd channel;
  os::host_fd lifeline;
  std::vector<int> streams;      ///< Borrowed.
  const message* call = nullptr; ///< Borrowed: what travels with the request.
};

/// The host's side of the fork server of one execution context. The server is started at the first order, and
/// again if it is found dead; it ends when the context does, and the handles of its children are gone.
///
/// The socket is watched only while somebody waits for an answer or for the end of a child, so that an idle
/// server does not keep the loop running.
class fork_client : public std::enable_shared_from_this<fork_client> {
public:
  /// @returns the one of the executor's context.
  static std::shared_ptr<fork_client> of(const asio::any_io_executor& executor);

  explicit fork_client(asio::any_io_executor executor);
  fork_client(const fork_client&) = delete;
  ~fork_client();

  /// For those who start a child: each holds descriptors meanwhile, here and in the server.
  const std::shared_ptr<places>& orders() const noexcept { return places_; }

  /// Has a child forked, and makes @p process the one that is told of its end.
  /// **Cancellation**: terminal; the child, if it comes to be one, is left to die by its lifeline.
  static asio::awaitable<fork_outcome> start(std::shared_ptr<fork_client> client, fork_order order,
                                             forked_process& process);

  /// @returns whether its server, if there is one, may do what this process may: one that has given up rights
  /// has children that have given them up, too.
  bool is_ours();

  /// In a fork of the host that goes on with the loop: leaves the server to the host.
  void forked();
  /// The context ends.
  void shutdown() noexcept;
  void drop_graveyard() noexcept;

private:
  friend class forked_process;
  using lock_type = std::unique_lock<std::mutex>;
  using handler_type = std::function<void(bool aborted)>;
  using shared_handler = std::shared_ptr<const handler_type>;

  struct entry {
    std::list<shared_handler> on_end; // one, or empty: nobody waits
    std::optional<os::exit_record> record;
  };
  struct waiting {
    std::optional<suspension<fork_outcome>> waiter; // there is room for it before there is one
  };

  // Of forked_process, by the id of its request.
  void wait_for(std::uint64_t id, handler_type handler);
  void cancel_wait(std::uint64_t id) noexcept;
  std::optional<os::exit_record> look(std::uint64_t id);
  bool knows(std::uint64_t id);
  void forget(std::uint64_t id) noexcept;
  int signal(std::uint64_t id, int number, signal_target target) noexcept;

  void submit(fork_order& order, std::uint64_t id, const std::shared_ptr<waiting>& added);
  fork_outcome send_order(lock_type& lock, fork_order& order, std::uint64_t id);
  std::shared_ptr<waiting> take_order(lock_type& lock, std::uint64_t id);
  void complete_lost(waiting& order);

  bool server_is_there(lock_type& lock);
  void start_server(lock_type& lock);
  void lose_server(lock_type& lock);
  void watch(lock_type& lock);
  enum class extent { all, awaited };
  void drain(lock_type& lock, extent wanted);
  void handle(lock_type& lock, incoming& next);
  void forget_locked(lock_type& lock, std::uint64_t id) noexcept;
  void close_if_done(lock_type& lock) noexcept;
  void abort_wait(lock_type& lock, entry& child) noexcept;
  enum class news { ended, aborted };
  void tell(entry& child, news what);
  void tell_untold(lock_type& lock);
  void post(std::list<shared_handler>& handler, news what);

  const std::shared_ptr<places> places_;
  asio::any_io_executor executor_; // empty once the context has ended

  std::mutex mutex_;
  fork_link link_;
  bool unusable_ = false;
  bool greeted_ = false;      // the server has come so far
  bool binds_lazily_ = false; // the server before it has not
  bool is_lost_ = false;      // and its link is there until everybody has been told
  bool stuck_ = false;        // it takes no signals
  bool untold_ = false;       // there was no memory for telling somebody of an end that is on record
  std::uint64_t last_id_ = 0;
  std::size_t waiting_ = 0; // orders without an answer, and children whose end somebody waits for
  std::unordered_map<std::uint64_t, std::shared_ptr<waiting>> orders_;
  std::unordered_map<std::uint64_t, entry> children_; // of the server that is there; those that ended, too
  // Handlers that could not be told, or whose context is ending: a list takes them without more memory.
  std::list<shared_handler> graveyard_;
};

} // namespace coproc::detail
