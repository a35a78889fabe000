#pragma once

#include "os/reap.hpp"
#include "worker/protocol.hpp"

#include <cstdint>

namespace coproc::detail {

/// How a child of the fork server ended, as the server tells the host.
end_report report_of(std::uint64_t id, const os::exit_record& record);
os::exit_record record_of(const end_report& report);

} // namespace coproc::detail
