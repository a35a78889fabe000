#include "pool/worker_main.hpp"

#include "ipc/message.hpp"
#include "os/code_address.hpp"
#include "os/fork_mark.hpp"
#include "os/memory_segment.hpp"
#include "pool/item_arguments.hpp"
#include "pool/worker_link.hpp"
#include "worker/function_child.hpp"

#include <coproc/bootstrap_error.hpp>
#include <coproc/detail/pool_target.hpp>
#include <coproc/remote_error.hpp>
#include <coproc/wire.hpp>

#include <cstdlib>
#include <exception>
#include <string>
#include <vector>

#include <cxxabi.h>

namespace coproc::detail {

namespace {

/// What a worker does: learns of targets, and runs their items.
class worker_loop {
public:
  worker_loop(os::unique_fd socket, os::mapping memory, const worker_settings& settings)
      : link_(std::move(socket), std::move(memory), settings) {}

  void run() {
    try {
      for (;;) {
        const task_entry& entry = link_.next_task();
        if (entry.flags & task_entry::definition)
          define(entry);
        else
          run_unit(entry);
        link_.passed(entry);
      }
    } catch (const worker_link::over&) {
    }
  }

private:
  struct target {
    pool_entry entry = nullptr;
    std::string missing; ///< Why it has none.
  };

  void define(const task_entry& entry) {
    std::span<const std::byte> bytes = worker_link::inline_bytes(entry);
    const auto definition = wire::decode<target_definition>(bytes, nullptr);
    const auto module_id = wire::decode<std::string>(bytes, nullptr);
    const auto module_path = wire::decode<std::string>(bytes, nullptr);
    const auto function = wire::decode<std::string>(bytes, nullptr);
    if (definition.index >= targets_.size()) targets_.resize(definition.index + 1);
    target& added = targets_[definition.index];
    if (const void* code = os::find_code(module_id, definition.offset))
      added.entry = reinterpret_cast<pool_entry>(reinterpret_cast<std::uintptr_t>(code));
    else
      added.missing = "'" + function + "' can't be run: its code is in '" + module_path +
                      "', which the worker has not loaded, or has in another build";
  }

  void run_unit(const task_entry& entry) {
    message packet;
    std::span<const std::byte> bytes = worker_link::inline_bytes(entry);
    if (entry.flags & task_entry::in_packet) {
      packet = link_.take_packet();
      bytes = packet.bytes();
    }
    item_arguments arguments(bytes, entry);
    for (std::uint32_t i = 0; i != entry.count; ++i) {
      if (!link_.claim_item(entry, i)) {
        if (i != 0) link_.publish_end(entry, entry.first + i);
        return;
      }
      const bool last = i + 1 == entry.count;
      const auto how = run_item(targets_.at(entry.target), arguments.next(), packet);
      // A child of the task's, that has come back from it, is no second worker: its parent goes on.
      if (!mark_.is_original()) std::_Exit(EXIT_SUCCESS);
      publish(entry, entry.first + i, how, last);
    }
  }

  void publish(const task_entry& entry, std::uint32_t item, worker_link::ending how, bool last) {
    try {
      link_.publish(entry, item, result_, how, last);
    } catch (const std::exception&) {
      encode_current(); // why it can't be sent is its error, and no reason for the worker to end
      link_.publish(entry, item, result_, worker_link::ending::failed, last);
    }
    result_.clear(); // the next task may be long in coming, and it can hold ends of connections
  }

  worker_link::ending run_item(const target& code, std::span<const std::byte> arguments, message& packet) {
    try {
      if (!code.entry) throw bootstrap_error(code.missing);
      code.entry(arguments, packet, result_);
      return worker_link::ending::succeeded;
    } catch (abi::__forced_unwind&) {
      throw; // pthread_exit
    } catch (...) {
      encode_current();
      return worker_link::ending::failed;
    }
  }

  /// Puts the exception that is being handled in the place of a result.
  void encode_current() {
    std::vector<remote_error::exception> chain;
    describe_current(chain);
    result_.clear();
    wire::encode(result_, chain);
  }

  worker_link link_;
  const os::fork_mark mark_;
  std::vector<target> targets_;
  message result_;
};

} // namespace

void run_pool_worker(std::span<const std::byte> arguments, message& from, message&) {
  const auto settings = wire::decode<worker_settings>(arguments, nullptr);
  os::unique_fd socket(from.take(0));
  os::memory_segment segment(os::unique_fd(from.take(1)));
  os::mapping memory =
      segment.map(sizeof(link_page), os::access::write, os::sharing::shared, os::population::on_use);
  worker_loop(std::move(socket), std::move(memory), settings).run();
}

} // namespace coproc::detail
