#pragma once

#include <vector>

namespace coproc::test {

/// @returns the ids of this process's fork servers.
std::vector<int> servers();

/// A server that does nothing, so that what it is asked for is under way.
class stopped_server {
public:
  /// Stops the first one; there is one.
  stopped_server();
  stopped_server(const stopped_server&) = delete;
  ~stopped_server();
  void go_on();
  void kill();

private:
  int pid_;
};

} // namespace coproc::test
