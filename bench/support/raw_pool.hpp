#pragma once

#include "contest.hpp"

/// A pool of child processes by system calls alone.
namespace bench::raw {

/// Has `count` calls of nothing made by two children: 8 bytes there and 8 back, `width` of them under way
/// with each, as many as there are in one write. Nothing is encoded, remembered or secured.
outcome call_in_bulk(const workload&);
/// Two children, each of which burns half of `count` times `width` milliseconds of CPU time, and ends.
outcome burn(const workload&);
/// Burns CPU time of the calling thread.
void burn_for(std::int64_t milliseconds);

} // namespace bench::raw
