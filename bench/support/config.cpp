#include "config.hpp"

namespace bench::config {

const std::string tiny = COPROC_BENCH_TINY;
const std::string emit = COPROC_BENCH_EMIT;
const std::string peers = COPROC_BENCH_PEERS;
const std::string python = COPROC_BENCH_PYTHON;
const std::string node = COPROC_BENCH_NODE;
const std::string go_peer = COPROC_BENCH_GO_PEER;
const std::string uv_peer = COPROC_BENCH_UV_PEER;

} // namespace bench::config
