#pragma once

#include "contest.hpp"

#include <functional>

/// The same work with Boost.Process v2 on Boost.Asio, as shipped and as its documentation shows it. Empty
/// where the build has no use for it: from Boost 1.86 on it needs a compiled library, which Debian 13 does
/// not package.
namespace bench::boost_process {

using work_function = std::function<outcome(const workload&)>;

extern const work_function start;
extern const work_function capture;
extern const work_function read_pipe;
extern const work_function lines;
extern const work_function communicate;
extern const work_function stall;

} // namespace bench::boost_process
