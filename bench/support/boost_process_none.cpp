#include "boost_process.hpp"

namespace bench::boost_process {

const work_function start;
const work_function capture;
const work_function read_pipe;
const work_function lines;
const work_function communicate;
const work_function stall;

} // namespace bench::boost_process
