#include "worker/function_process.hpp"

#include "ipc/message.hpp"
#include "ipc/packet.hpp"
#include "loop/also_cancelled_by.hpp"
#include "os/credentials.hpp"
#include "os/error.hpp"
#include "os/fork.hpp"
#include "os/open.hpp"
#include "os/self.hpp"
#include "os/socket.hpp"
#include "program/child_streams.hpp"
#include "program/command_spec.hpp"
#include "program/own_process.hpp"
#include "program/start.hpp"
#include "program/stream_end.hpp"
#include "program/wait_for_exit.hpp"
#include "worker/bootstrap.hpp"
#include "worker/forked_process.hpp"
#include "worker/function_child.hpp"
#include "worker/protocol.hpp"

#include <coproc/bootstrap_error.hpp>
#include <coproc/wire.hpp>

#include <asio/this_coro.hpp>

#include <cerrno>
#include <cstdio>
#include <iostream>
#include <stdexcept>
#include <string_view>
#include <system_error>

namespace coproc::detail {

namespace {

/// How much of a call goes by the fork server: a request has an environment and descriptors of its own, too.
constexpr std::size_t most_by_server = 4096;
constexpr std::size_t most_descriptors_by_server = 32;

} // namespace

std::string function_process::missing_code() const {
  return blame() + ": '" + call_.function + "' is in '" + call_.module_path +
         "', which a new child process has not loaded: a target has to be in the program or in a library "
         "that the program is linked with";
}

function_process::ends function_process::make_ends() const {
  // First the lifeline, for the sake of hold_lifeline().
  os::lifeline lifeline = os::make_lifeline((blame() + ": cannot create a pipe").c_str());
  os::packet_pair channel = os::make_packet_pair((blame() + ": cannot create a channel").c_str());
  return {.channel = os::host_fd(std::move(channel.first)),
          .lifeline = os::host_fd(std::move(lifeline.keep)),
          .child_channel = os::host_fd(std::move(channel.second)),
          .child_lifeline = os::host_fd(std::move(lifeline.hold))};
}

/// Before anything is opened: what is not open would be found open, as something of the library's.
void function_process::check_streams() const {
  const char* const names[] = {"stdin", "stdout", "stderr"};
  int number = 0;
  for (const stdio* stream : {&in_, &out_, &err_}) {
    if (access::kind_of(*stream) == access::kind::fd)
      os::require_open(access::fd_of(*stream), blame() + ": cannot redirect " + names[number]);
    ++number;
  }
}

/// It runs.
void function_process::started(std::shared_ptr<child_state> child, ends made) {
  channel_ = std::move(made.channel);
  lifeline_ = std::move(made.lifeline);
  child_ = std::move(child);
  if (child_->background_input) child_->background_input->feed_in_background();
}

/// It waits in the socket until the child reads it: the socket is empty, and large arguments go by memory.
void function_process::send_call(int channel) {
  const int error =
      send_message(channel, static_cast<std::uint32_t>(call_kind::call), call_.encoded, os::blocking::no);
  if (error == E2BIG)
    throw std::invalid_argument(blame() + ": the arguments have more than " +
                                std::to_string(os::max_descriptors) + " descriptors");
  if (error != 0) os::throw_errno(error, blame() + ": cannot send the arguments");
}

asio::awaitable<void> function_process::start(std::shared_ptr<function_process> self) {
  self->require_handle();
  if (self->child_ || self->starting_)
    throw std::logic_error("process '" + self->name_ + "': it was started before");
  const start_method method = self->method_.value_or(start_method::forkserver);
  if (self->call_.closure && method != start_method::fork)
    throw std::logic_error("process '" + self->name_ +
                           "': a callable of fork_target can be run by a fork only");
  if (method != start_method::fork) require_init("'" + self->name_ + "'");

  struct starting {
    explicit starting(bool& flag_) : flag(flag_) { flag = true; }
    ~starting() { flag = false; }
    bool& flag;
  } guard(self->starting_);
  self->check_streams();
  if (method == start_method::fork) {
    co_await start_by_fork(self);
  } else {
    // The new process may take its time before it answers.
    auto by = method == start_method::forkserver ? &start_by_server : &start_by_spawn;
    std::shared_ptr<asio::cancellation_signal> stop(self, &self->stop_start_);
    co_await also_cancelled_by(std::move(stop), by(self));
  }
  self->require_handle(); // otherwise the child goes with this coroutine
  // The child alone has the descriptors now, and the memory is not needed any more.
  self->call_.encoded = {};
  self->call_.closure = nullptr;
}

/// What the fork server is asked for. It takes the child's ends out of @p made, and borrows from @p streams.
fork_order function_process::order(ends& made, child_streams& streams) {
  fork_order order;
  order.name = "'" + name_ + "'";
  start_request& request = order.request;
  request.name = name_;
  request.module_id = call_.module_id;
  request.offset = call_.offset;
  request.umask = os::current_umask(blame());
  // One message less, to the child and through the kernel, where it is no burden to the server.
  if (call_.encoded.size() <= most_by_server &&
      call_.encoded.descriptor_count() <= most_descriptors_by_server) {
    order.call = &call_.encoded;
    request.has_call = true;
    request.call_descriptors = static_cast<std::uint32_t>(order.call->descriptor_count());
  } else {
    send_call(made.channel.get());
  }

  request.null_input = access::kind_of(in_) == access::kind::null;
  if (!request.null_input) streams.set_up_in(in_);
  streams.set_up_out(1, out_);
  streams.set_up_out(2, err_);
  for (const os::redirect& stream : streams.plan()) {
    if (!os::is_open(stream.source)) continue;
    request.streams |= 1u << stream.target;
    order.streams.push_back(stream.source);
  }
  order.channel = std::move(made.child_channel);
  order.lifeline = std::move(made.child_lifeline);
  return order;
}

asio::awaitable<void> function_process::start_by_server(std::shared_ptr<function_process> self) {
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  bool usable = true;
  // A server that dies in between is started anew, once.
  for (int attempt = 0; attempt != 2 && usable; ++attempt) {
    places::place place = co_await places::enter(fork_client::of(executor)->orders());
    // Another one than that before if the host has given up rights meanwhile.
    std::shared_ptr<fork_client> client = fork_client::of(executor);
    ends made = self->make_ends();
    child_streams streams(self->blame() + ": ");
    fork_order order = self->order(made, streams);
    auto process = std::make_unique<forked_process>(client, executor);
    forked_process& forked = *process;
    auto child =
        std::make_shared<child_state>(executor, command(self->name_), true, std::nullopt, std::move(process));
    streams.hand_over(*child, executor, self->in_);
    fork_outcome outcome = co_await fork_client::start(client, std::move(order), forked);
    switch (outcome.what) {
    case fork_outcome::kind::started:
      if (outcome.error != 0)
        os::throw_errno(outcome.error,
                        self->blame() +
                            (outcome.not_there ? ": cannot go to the working directory" : ": cannot fork"));
      child->started();
      self->started(std::move(child), std::move(made));
      co_return;
    case fork_outcome::kind::missing_code:
      throw bootstrap_error(self->missing_code());
    case fork_outcome::kind::unusable:
      usable = false; // what was opened for it is closed first
      break;
    case fork_outcome::kind::server_gone:
    case fork_outcome::kind::busy:
      break;
    }
  }
  if (!usable) {
    co_await start_by_spawn(self);
    co_return;
  }
  throw bootstrap_error(self->blame() +
                        ": the fork server ended before it answered; is coproc::init(argc, argv) "
                        "the first statement of main()?");
}

namespace {

/// What went wrong, out of "spawn 'program': cannot open stdin: No such file or directory".
std::string reason_of(const std::system_error& error) {
  std::string_view text = error.what();
  const std::string code = ": " + error.code().message();
  if (text.ends_with(code)) text.remove_suffix(code.size());
  const std::size_t end = text.find("': ");
  if (!text.starts_with("spawn '") || end == text.npos) return ": cannot execute the program again";
  return std::string(text.substr(end + 1));
}

/// Waits for the first words of a child that was spawned. In a fork of the host that is aborted.
asio::awaitable<incoming> first_message(std::shared_ptr<stream_end> channel,
                                        std::shared_ptr<child_state> child) {
  for (;;) {
    if (child->is_copy()) std::rethrow_exception(aborted());
    incoming next = receive_message(channel->fd(), os::blocking::no);
    if (next.error != EAGAIN) co_return std::move(next);
    co_await channel->async_wait(stream_end::wait_type::wait_read, asio::use_awaitable);
  }
}

} // namespace

asio::awaitable<void> function_process::start_by_spawn(std::shared_ptr<function_process> self) {
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  ends made = self->make_ends();
  self->send_call(made.channel.get());

  const std::string executable = os::own_program();
  command program(identity().program.empty() ? executable : identity().program);
  command_spec& spec = access::spec(program);
  spec.executable = executable;
  spec.no_new_privs = os::gains_rights_by(executable);
  spec.arguments = {std::string(child_option) + std::to_string(made.child_channel.get()) + ',' +
                        std::to_string(made.child_lifeline.get()),
                    self->name_};
  spec.inherited = {made.child_channel.get(), made.child_lifeline.get()};
  spec.group = group_mode::own;
  start_defaults defaults{.in = self->in_, .out = self->out_, .err = self->err_, .timeout = std::nullopt};
  std::shared_ptr<child_state> child;
  try {
    child = detail::start(executor, std::move(program), defaults);
  } catch (const std::system_error& error) {
    throw std::system_error(error.code(), self->blame() + reason_of(error));
  }
  made.child_channel.reset();
  made.child_lifeline.reset();

  auto channel = std::make_shared<stream_end>(executor, made.channel.release(), self->blame());
  incoming first = co_await first_message(channel, child);
  if (first.error != 0) os::throw_errno(first.error, self->blame() + ": cannot receive");
  const auto kind = static_cast<call_kind>(first.kind);
  if (first.closed || (kind != call_kind::ready && kind != call_kind::missing)) {
    std::optional<exit_status> end = co_await wait_for_exit(child, std::nullopt);
    throw bootstrap_error(
        self->blame() + ": the child process " + end->to_string() +
        " before it came to coproc::init(argc, argv), which has to be the first statement of main()");
  }
  if (kind == call_kind::missing) throw bootstrap_error(self->missing_code());
  made.channel = channel->release();
  self->started(std::move(child), std::move(made));
}

asio::awaitable<void> function_process::start_by_fork(std::shared_ptr<function_process> self) {
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  ends made = self->make_ends();
  child_streams streams(self->blame() + ": ");
  streams.set_up_in(self->in_);
  streams.set_up_out(1, self->out_);
  streams.set_up_out(2, self->err_);
  auto process = std::make_unique<own_process>(executor);
  own_process& forked = *process;
  auto child =
      std::make_shared<child_state>(executor, command(self->name_), true, std::nullopt, std::move(process));
  streams.hand_over(*child, executor, self->in_);

  // What they hold would be written by both.
  std::cout.flush();
  std::fflush(stdout);
  asio::execution_context& context = context_of(executor);
  const int host = os::own_id();
  context.notify_fork(asio::execution_context::fork_prepare);
  os::launched launched = os::fork_host();
  if (launched.pid == 0) {
    begin_forked(streams.plan());
    os::unique_fd child_channel = made.child_channel.release();
    os::unique_fd child_lifeline = made.child_lifeline.release();
    try {
      os::standard_numbers_taken guard; // Asio opens descriptors of its own
      context.notify_fork(asio::execution_context::fork_child);
    } catch (...) {
      // The loop is the host's no longer, and that is what matters: nobody runs it here.
    }
    // A target has what it was given, as with the other methods; a callable may have captured anything.
    message_access::keep_in_fork(self->call_.encoded);
    os::close_host_ends(self->call_.closure ? os::held_by::host : os::held_by::user);
    hold_lifeline(std::move(child_lifeline), child_channel);
    run_forked(std::move(child_channel), host, self->name_, self->body());
  }
  const int error = errno;
  context.notify_fork(asio::execution_context::fork_parent);
  if (launched.pid < 0) os::throw_errno(error, self->blame() + ": cannot fork");
  forked.adopt(std::move(launched));
  child->started();
  self->started(std::move(child), std::move(made));
}

/// What a fork of the host is to run: the callable, or the target with the arguments that are in memory.
std::function<void(message&)> function_process::body() {
  if (call_.closure) return call_.closure;
  return [this](message& result) {
    std::span<const std::byte> bytes = call_.encoded.bytes();
    (void)wire::decode<call_header>(bytes, nullptr);
    call_.entry(bytes, call_.encoded, result);
  };
}

} // namespace coproc::detail
