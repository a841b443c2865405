// Fig. 6: what passes the one rank that joins encoder and LLM replicas, and what direct messages would carry.
#include <algorithm>
#include <map>

#include "base/error.hpp"
#include "base/text.hpp"
#include "experiments/reproduction/figures.hpp"

namespace dflop {
namespace {

constexpr double kGigabyte = 1e9;

/// Bytes between encoder and LLM over NICs, and of every NIC that the result lists, outward.
struct HubBytes {
  double encoder_llm = 0;
  std::map<std::string, double> out;

  double busiest() const {
    double most = 0;
    for (const auto& [link, bytes] : out) most = std::max(most, bytes);
    return most;
  }
};

HubBytes BytesOf(const PolicyFigures& policy) {
  if (policy.traffic.is_null()) throw InputError(policy.policy + ": the result tells of no traffic");
  constexpr double kMostBytes = 1e18;
  const JsonReader traffic(policy.traffic, "traffic of " + policy.policy);
  HubBytes bytes;
  for (const JsonReader& row : traffic.At("by_link").Elements()) {
    const bool counts = row.At("link").String() == "nic" && row.At("kind").String() == "encoder_llm";
    if (counts) bytes.encoder_llm += row.At("bytes").Number(0, kMostBytes);
  }
  for (const JsonReader& row : traffic.At("busiest_links").Elements()) {
    bytes.out[row.At("link").String()] = row.At("bytes").Number(0, kMostBytes);
  }
  return bytes;
}

}  // namespace

ReproducedFigure HubTraffic(const StoredResults& results) {
  const PointFigures& point = PointOf(results.Get("fig06-communicator"), "llama3-8b");
  const HubBytes hub = BytesOf(FiguresOf(point, "hub"));
  const HubBytes direct = BytesOf(FiguresOf(point, "direct"));
  Plot plot{.title = "Bytes that leave a NIC in one step: the busiest ones",
            .x = {.label = "NIC of a GPU"},
            .y = {.label = "GB", .least = 0.0},
            .series = {{"through the hub", PlotMark::kBars, {}}, {"direct", PlotMark::kBars, {}}}};
  for (const auto& [link, bytes] : hub.out) {
    const auto x = static_cast<double>(plot.x.categories.size());
    plot.x.categories.push_back(link);
    plot.series[0].points.push_back({.x = x, .y = bytes / kGigabyte});
    const auto found = direct.out.find(link);
    if (found != direct.out.end()) plot.series[1].points.push_back({.x = x, .y = found->second / kGigabyte});
  }
  ReproducedFigure figure;
  figure.AddPlots("fig06", {plot});
  figure.quantities["hub.back_over_there"] = {(hub.encoder_llm - hub.busiest()) / hub.busiest(), {}};
  figure.notes.push_back(
      Format("The hub's NIC sends %.1f GB a step, the busiest one of direct messages %.1f GB; the "
             "step takes %.3f times as long through the hub.",
             hub.busiest() / kGigabyte, direct.busiest() / kGigabyte, 1 / GainOver(point, "direct", "hub").mean));
  return figure;
}

}  // namespace dflop
