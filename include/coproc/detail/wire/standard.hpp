#pragma once

// The types of the standard library that can cross. Codecs find each other when they are instantiated, so all
// of them have to be known by then.
#include <coproc/detail/wire/associative.hpp>
#include <coproc/detail/wire/chrono.hpp>
#include <coproc/detail/wire/compounds.hpp>
#include <coproc/detail/wire/sequences.hpp>
