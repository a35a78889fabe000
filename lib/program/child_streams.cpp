#include "program/child_streams.hpp"

#include "os/open.hpp"
#include "program/command_spec.hpp"

namespace coproc::detail {

using kind = access::kind;

void child_streams::set_up_in(const stdio& in) {
  switch (access::kind_of(in)) {
  case kind::pipe:
  case kind::bytes: {
    os::pipe_ends ends =
        os::make_pipe(os::host_end::write, (blame_ + "cannot create a pipe for stdin").c_str());
    host_[0] = std::move(ends.write);
    give(0, std::move(ends.read));
    break;
  }
  case kind::file:
    give(0, os::open_input(access::path_of(in), blame_ + "cannot open stdin"));
    break;
  default:
    set_up_simple(0, in);
  }
}

void child_streams::set_up_out(int number, const stdio& stream) {
  const std::string name = number == 1 ? "stdout" : "stderr";
  switch (access::kind_of(stream)) {
  case kind::pipe: {
    os::pipe_ends ends =
        os::make_pipe(os::host_end::read, (blame_ + "cannot create a pipe for " + name).c_str());
    host_[number] = std::move(ends.read);
    give(number, std::move(ends.write));
    break;
  }
  case kind::file:
  case kind::append: {
    auto mode = access::kind_of(stream) == kind::append ? os::output_mode::append : os::output_mode::truncate;
    os::unique_fd file = os::open_output(access::path_of(stream), mode, blame_ + "cannot open " + name);
    // Both on one file: one offset for the two, or each would overwrite what the other wrote.
    if (number == 2 && owned_[1] && os::same_file(owned_[1].get(), file.get()))
      plan_.push_back({owned_[1].get(), 2});
    else
      give(number, std::move(file));
    break;
  }
  case kind::merge:
    plan_.push_back({plan_.back().source, 2});
    break;
  default:
    set_up_simple(number, stream);
  }
}

void child_streams::set_up_simple(int number, const stdio& stream) {
  switch (access::kind_of(stream)) {
  case kind::null:
    give(number, os::open_null(number == 0, blame_ + "cannot open /dev/null"));
    break;
  case kind::fd:
    plan_.push_back({access::fd_of(stream), number});
    break;
  default:
    plan_.push_back({number, number}); // inherited
  }
}

void child_streams::give(int number, os::unique_fd fd) {
  plan_.push_back({fd.get(), number});
  owned_[number] = std::move(fd);
}

void child_streams::hand_over(child_state& state, const asio::any_io_executor& executor, const stdio& in) {
  const std::string of = " of '" + access::spec(state.program()).program + "'";
  if (host_[0]) {
    auto input = std::make_shared<input_state>(executor, std::move(host_[0]), "stdin" + of);
    if (access::kind_of(in) == kind::bytes) {
      input->enqueue(access::bytes_of(in));
      state.background_input = std::move(input);
    } else {
      state.in = access::make(std::move(input));
    }
  }
  if (host_[1])
    state.out = access::make(std::make_shared<output_state>(executor, std::move(host_[1]), "stdout" + of));
  if (host_[2])
    state.err = access::make(std::make_shared<output_state>(executor, std::move(host_[2]), "stderr" + of));
}

} // namespace coproc::detail
