// A trace of measured collectives for people: a line per operation, type and placement.
#include <algorithm>
#include <map>
#include <tuple>

#include "base/text.hpp"
#include "experiments/profile/trace_report.hpp"

namespace dflop {
namespace {

struct Extent {
  double least = 0;
  double most = 0;
  std::size_t count = 0;
  void Add(double value) {
    least = count == 0 ? value : std::min(least, value);
    most = count == 0 ? value : std::max(most, value);
    ++count;
  }
};

struct PlacementRows {
  Extent bytes;
  Extent us;
  Extent gb_per_s;
};

}  // namespace

std::string InspectionText(const NetworkTrace& trace) {
  std::map<std::tuple<std::string, std::string, int, int>, PlacementRows> groups;
  for (const CollectiveRow& row : trace.rows) {
    PlacementRows& group = groups[{row.op, row.dtype, row.ranks, row.ranks_per_node}];
    group.bytes.Add(row.bytes);
    group.us.Add(row.seconds * 1e6);
    group.gb_per_s.Add(row.bytes * BusFactor(row.op, row.ranks) / row.seconds / 1e9);
  }
  std::string text = "source    " + trace.source + "\n";
  text += "software  " + (trace.software.empty() ? "not said" : trace.software) + "\n";
  text += Format("%zu measured collectives\n", trace.rows.size());
  for (const auto& [key, group] : groups) {
    const auto& [op, dtype, ranks, per_node] = key;
    text += op;
    if (!dtype.empty()) text.append(", ").append(dtype);
    text += Format(", %d ranks, %d a node: %zu rows\n", ranks, per_node, group.bytes.count);
    text += Format("  bytes     %.0f – %.0f\n", group.bytes.least, group.bytes.most);
    text += Format("  time      %.4g – %.4g µs\n", group.us.least, group.us.most);
    text += Format("  bus       %.3g – %.4g GB/s\n", group.gb_per_s.least, group.gb_per_s.most);
  }
  return text;
}

}  // namespace dflop
