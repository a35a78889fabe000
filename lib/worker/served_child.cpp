#include "worker/served_child.hpp"

#include "os/code_address.hpp"
#include "os/fork.hpp"
#include "worker/function_child.hpp"

#include <coproc/wire.hpp>

namespace coproc::detail {

served_request::served_request(std::span<const std::byte> bytes, message& descriptors)
    : start(wire::decode<start_request>(bytes, nullptr)), from(&descriptors) {
  // Each page that the child writes to has to be copied for it; so what can be done before the fork is done
  // here.
  if (start.has_call) (void)wire::decode<call_header>(bytes, &descriptors);
  arguments = bytes;
  code = os::find_code(start.module_id, start.offset);
  std::size_t index = start.call_descriptors;
  lifeline.reset(descriptors.take(index++));
  channel.reset(descriptors.take(index++));
  if (start.new_directory) directory.reset(descriptors.take(index++));
  for (unsigned i = 0; i != 3; ++i)
    if (start.streams & (1u << i)) streams[i].reset(descriptors.take(index++));
}

void run_served(served_request& request, int host) noexcept {
  // Above 2 all of them: the host saw to it, and the server has its own 0, 1 and 2 open.
  for (int i = 0; i != 3; ++i) {
    os::unique_fd& stream = request.streams[static_cast<std::size_t>(i)];
    const bool stays = i == 0 && request.start.null_input;
    if (!stays) os::set_standard_stream(i, std::move(stream)); // none: it is closed, as in the host
  }
  hold_lifeline(std::move(request.lifeline), request.channel);
  const std::string& name = request.start.name;
  if (!request.start.has_call) run_call(std::move(request.channel), host, name, announce::no);
  make_call(std::move(request.channel), host, name, {request.code, request.arguments, request.from});
}

} // namespace coproc::detail
