#pragma once

namespace bench {

/// Keeps this process and all that descend from it, the peers included, on the first of its CPUs for as long
/// as it lives. A round trip whose ends are on two CPUs mostly measures how long an idle one takes to wake
/// up.
class one_cpu {
public:
  one_cpu();
  ~one_cpu();
  one_cpu(const one_cpu&) = delete;
  one_cpu& operator=(const one_cpu&) = delete;
};

} // namespace bench
