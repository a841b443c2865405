// Only a regression is a failure: what is undecided must not stop a build.
#include "experiments/report/junit.hpp"

#include "base/text.hpp"
#include "experiments/report/svg.hpp"

namespace dflop {
namespace {

const char* Heading(Verdict verdict) {
  switch (verdict) {
    case Verdict::kUndecided:
      return "undecided: ";
    case Verdict::kImprovement:
      return "improvement: ";
    default:
      return "";  // the text speaks for itself
  }
}

std::string TestCase(const std::string& experiment, const RowComparison& row) {
  const std::string head = "<testcase classname=\"" + EscapeXml(experiment) + "\" name=\"" + EscapeXml(row.name) + "\"";
  if (row.verdict == Verdict::kUnchanged) return head + "/>\n";
  const std::string inside = row.verdict == Verdict::kRegression
                                 ? "<failure message=\"" + EscapeXml(row.text) + "\"/>"
                                 : "<system-out>" + (Heading(row.verdict) + EscapeXml(row.text)) + "</system-out>";
  return head + ">\n" + inside + "\n</testcase>\n";
}

}  // namespace

std::string JUnitXml(const std::string& experiment, const Comparison& comparison) {
  const std::string counts = Format("tests=\"%zu\" failures=\"%zu\" errors=\"0\" skipped=\"0\"", comparison.rows.size(),
                                    comparison.Count(Verdict::kRegression));
  std::string xml = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites " + counts + ">\n<testsuite name=\"" +
                    EscapeXml(experiment) + "\" " + counts + ">\n";
  for (const RowComparison& row : comparison.rows) xml += TestCase(experiment, row);
  return xml + "</testsuite>\n</testsuites>\n";
}

}  // namespace dflop
