#pragma once

#include "contest.hpp"

/// A pool of child processes by system calls alone.
namespace bench::raw {

/// Has `count` calls of nothing made by two children: 8 bytes there and 8 back, `width` of them under way
/// with each, as many as there are in one write. Nothing is encoded, remembered or secured.
outcome call_in_bulk(const workload&);

} // namespace bench::raw
