#include "worker/fork_link.hpp"

#include "os/boost_process.hpp"
#include "os/error.hpp"
#include "os/open.hpp"
#include "os/ready.hpp"
#include "os/reaper.hpp"
#include "os/self.hpp"
#include "os/socket.hpp"
#include "worker/bootstrap.hpp"

namespace coproc::detail {

void fork_link::open(const asio::any_io_executor& executor, binding how) {
  require_init("the fork server");
  os::packet_pair ends = os::make_packet_pair("fork server: cannot create a channel");
  const std::string option = std::string(server_option) + std::to_string(ends.second.get());
  // The server has 0, 1 and 2 open, so that what it is sent for a child gets none of these numbers. stderr is
  // for its own last words.
  os::unique_fd null = os::open_null(true, "fork server: cannot open /dev/null");
  os::launch_plan plan;
  plan.program = "fork server";
  plan.candidates.push_back(os::own_program());
  plan.no_new_privs = os::gains_rights_by(plan.candidates.front());
  plan.argv = {identity().program.c_str(), option.c_str(), nullptr};
  plan.redirects = {{null.get(), 0}, {null.get(), 1}, {os::is_open(2) ? 2 : null.get(), 2}};
  plan.inherited = {ends.second.get()};
  plan.group = group_mode::own;
  // It looks up its functions once, at its start, in place of each of its children: 0.1 ms a child.
  std::vector<std::string> variables;
  if (how == binding::at_start) {
    variables = os::host_environment();
    variables.emplace_back("LD_BIND_NOW=1");
    for (const std::string& variable : variables) plan.envp.push_back(variable.c_str());
    plan.envp.push_back(nullptr);
  }
  os::credentials credentials = os::own_credentials();
  // What can fail for the loop fails before the server is there.
  mark_ = {};
  descriptors_.reserve(1);
  socket_ = std::move(ends.first);
  try {
    watch_.emplace(executor);
    if (asio::error_code error = watch_->join(socket_.get()))
      os::throw_errno(error.value(), "fork server: cannot watch it");
    server_ = os::launch(plan);
  } catch (...) {
    close();
    throw;
  }
  credentials_ = std::move(credentials);
  forget_told();
  ++number_;
}

void fork_link::leave_loop() noexcept {
  if (!watch_) return;
  watch_->leave(socket_);
  watch_.reset();
  watching_ = false;
}

void fork_link::close() noexcept {
  leave_loop();
  // A fork of the host leaves it by closing its copy.
  if (socket_ && !is_copy()) os::shut_down(socket_.get());
  socket_.reset();
  if (server_.pid > 0) os::reap_later(std::exchange(server_, {}));
}

bool fork_link::is_ours() const { return !is_copy() && credentials_ == os::own_credentials(); }

bool fork_link::has_hung_up() const noexcept { return os::has_hung_up(socket_.get()); }

int fork_link::send(fork_kind kind, message& body, const std::vector<int>& descriptors) {
  return send_message(socket_.get(), static_cast<std::uint32_t>(kind), body, descriptors, os::blocking::no);
}

bool fork_link::wait_writable(int milliseconds) noexcept {
  return os::wait_writable(socket_.get(), milliseconds);
}

incoming fork_link::receive() {
  return receive_message(socket_.get(), buffer_.bytes(), descriptors_, os::blocking::no);
}

os::unique_fd fork_link::take_descriptor() noexcept {
  return descriptors_.empty() ? os::unique_fd() : std::move(descriptors_.front());
}

void fork_link::unwatch() noexcept {
  if (watching_ && watch_) watch_->cancel();
}

void fork_link::forget_told() noexcept {
  told_.reset();
  told_directory_.reset();
}

bool fork_link::knows_environment() const { return told_ && os::is_environment(*told_); }

} // namespace coproc::detail
