#pragma once

/// Everything at once. Each public name also has a header of its own.

#include <coproc/call.hpp>
#include <coproc/called_process_error.hpp>
#include <coproc/check_output.hpp>
#include <coproc/child.hpp>
#include <coproc/command.hpp>
#include <coproc/completed.hpp>
#include <coproc/duration.hpp>
#include <coproc/error.hpp>
#include <coproc/exit_status.hpp>
#include <coproc/group_mode.hpp>
#include <coproc/input_stream.hpp>
#include <coproc/output_limit.hpp>
#include <coproc/output_stream.hpp>
#include <coproc/pipeline.hpp>
#include <coproc/queue_closed.hpp>
#include <coproc/queue_empty.hpp>
#include <coproc/queue_full.hpp>
#include <coproc/resource.hpp>
#include <coproc/resource_usage.hpp>
#include <coproc/run.hpp>
#include <coproc/run_main.hpp>
#include <coproc/semaphore.hpp>
#include <coproc/shared_queue.hpp>
#include <coproc/spawn.hpp>
#include <coproc/stdio.hpp>
#include <coproc/stop_policy.hpp>
#include <coproc/timeout_expired.hpp>
#include <coproc/version.hpp>
#include <coproc/wire.hpp>
#include <coproc/wire_error.hpp>
