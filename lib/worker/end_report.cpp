#include "worker/end_report.hpp"

#include <chrono>

namespace coproc::detail {

using std::chrono::duration_cast;
using std::chrono::nanoseconds;

end_report report_of(std::uint64_t id, const os::exit_record& record) {
  end_report result;
  result.id = id;
  result.known = record.status.known();
  result.code = record.status.returncode();
  result.core_dumped = record.status.core_dumped();
  if (record.usage) {
    const resource_usage& usage = *record.usage;
    result.user = duration_cast<nanoseconds>(usage.user).count();
    result.system = duration_cast<nanoseconds>(usage.system).count();
    result.max_rss_bytes = usage.max_rss_bytes;
    result.minor_faults = usage.minor_faults;
    result.major_faults = usage.major_faults;
    result.voluntary = usage.voluntary_context_switches;
    result.involuntary = usage.involuntary_context_switches;
  }
  return result;
}

os::exit_record record_of(const end_report& report) {
  os::exit_record result;
  if (!report.known)
    result.status = exit_status::unknown();
  else if (report.code < 0)
    result.status = exit_status::signaled(-report.code, report.core_dumped);
  else
    result.status = exit_status::exited(report.code);
  resource_usage usage;
  usage.user = duration_cast<duration>(nanoseconds(report.user));
  usage.system = duration_cast<duration>(nanoseconds(report.system));
  usage.max_rss_bytes = report.max_rss_bytes;
  usage.minor_faults = report.minor_faults;
  usage.major_faults = report.major_faults;
  usage.voluntary_context_switches = report.voluntary;
  usage.involuntary_context_switches = report.involuntary;
  result.usage = usage;
  return result;
}

} // namespace coproc::detail
