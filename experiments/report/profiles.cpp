// What the layouts were decided from: the model's throughput curves (the paper's Fig 2), folded away before the footer.
#include <algorithm>
#include <span>

#include "experiments/report/chart_throughput.hpp"
#include "experiments/report/page.hpp"

namespace dflop {
namespace {

constexpr std::size_t kMostProfiles = 20;  // a sweep may bring one for every point

std::string Charts(const ModelProfile& profile) {
  std::string html = "<div class=\"pair\">\n";
  for (const ModuleProfile& module : profile.modules) {
    for (const ProfiledPart part : PartsOf(module)) {
      for (const bool relative : {false, true}) {
        html += "<figure class=\"wide-scroll\">\n" + ThroughputChart(module, part, relative).Inline() + "</figure>\n";
      }
    }
  }
  return html + "</div>\n";
}

std::string Block(const StoredProfile& stored) {
  std::string holds = stored.place;
  if (stored.points > 1) holds += " and " + std::to_string(stored.points - 1) + " more";
  return "<details><summary>" + EscapeXml(stored.profile.model + " on " + stored.gpu) +
         "</summary>\n<p class=\"note\">Holds for " + EscapeXml(holds) +
         ". Kernel costs: " + EscapeXml(stored.profile.source) + ".</p>\n" + Charts(stored.profile) + "</details>\n";
}

}  // namespace

std::string ProfileSection(const Report& report) {
  if (report.profiles.empty()) return "";
  std::string html =
      "<section>\n<h2>What the layouts were decided from</h2>\n<p class=\"note\">Throughput of every module by the "
      "size of its input, forward and backward together, a line per tensor-parallel degree, from the same kernel "
      "costs as the steps. DFLOP's layout rules (dflop, dflop-as-released) know a model's speed by these curves "
      "alone; rules that simulate steps price every shape.</p>\n";
  const std::size_t shown = std::min(report.profiles.size(), kMostProfiles);
  for (const StoredProfile& stored : std::span(report.profiles).first(shown)) html += Block(stored);
  if (report.profiles.size() > kMostProfiles) {
    html += "<p class=\"note\">The first " + std::to_string(kMostProfiles) + " of " +
            std::to_string(report.profiles.size()) + " are drawn; result.json holds all of them.</p>\n";
  }
  return html + "</section>\n";
}

}  // namespace dflop
