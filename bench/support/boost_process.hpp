#pragma once

#include "contest.hpp"

/// The same work with Boost.Process v2 on Boost.Asio, as shipped and as its documentation shows it.
namespace bench::boost_process {

outcome start(const workload&);
outcome capture(const workload&);
outcome read_pipe(const workload&);
outcome lines(const workload&);
outcome communicate(const workload&);
outcome stall(const workload&);

} // namespace bench::boost_process
