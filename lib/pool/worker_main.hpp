#pragma once

#include <coproc/detail/message.hpp>

#include <cstddef>
#include <span>

namespace coproc::detail {

/// What a worker of a pool runs, as the target of a function process: carries out tasks until the pool lets
/// it go. @p arguments are worker_settings; @p from holds its end of the socket and the page.
void run_pool_worker(std::span<const std::byte> arguments, message& from, message& result);

} // namespace coproc::detail
