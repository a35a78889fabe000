#pragma once

#include <coproc/process.hpp>

#include <memory>

/// @returns a process that has not been started, whose target is in the library: it doubles @p n.
std::unique_ptr<coproc::process<int>> process_in_library(coproc::start_method method, int n);
