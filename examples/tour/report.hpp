#pragma once

#include "crew.hpp"
#include "finding.hpp"
#include "shell.hpp"

#include <coproc/duration.hpp>

namespace tour {

/// Writes the report to stdout, with colours if that is a terminal (and NO_COLOR is not set).
class report {
public:
  explicit report(bool on_terminal);

  void headline(const std::string& directory) const;
  /// On a terminal: that the shell is being asked about @p found; line() then takes its place.
  void asking(const finding& found) const;
  /// One finding, and whether the shell agrees; if not, what it printed.
  void line(const finding& found, const verdict& shell) const;
  /// Who ran, and how the times compare. @p ours and @p shells are wall times for the same findings.
  void footer(const crew& crew, coproc::duration ours, coproc::duration shells) const;

private:
  bool on_terminal_;
  const char *bold_ = "", *dim_ = "", *good_ = "", *bad_ = "", *plain_ = "";
};

} // namespace tour
