#pragma once

namespace coproc {

/// Which process group a child runs in (setpgid(2), setsid(2)).
enum class group_mode {
  own,     ///< One of its own, which it leads: signals of stop, timeout and cancellation reach all of it.
  inherit, ///< The host's: a terminal's Ctrl-C reaches both; the library signals the child alone.
  session, ///< A new session and a group in it, without a controlling terminal; signals reach all of the
           ///< group.
};

} // namespace coproc
