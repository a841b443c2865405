// What a page rests on, below its figures: extrapolated costs, assumptions, provenance, hashes of the inputs.
#include <algorithm>

#include "experiments/report/page.hpp"
#include "experiments/results/figure_text.hpp"
#include "experiments/results/published_error.hpp"

namespace dflop {
namespace {

std::string ScalarList(const Json::Array& values) {
  std::string text;
  for (const Json& value : values) text += (text.empty() ? "" : ", ") + Plain(value);
  return text;
}

/// One row per leaf of an object, named by its path: "software · host_s_per_kernel".
void AddRows(const Json& value, const std::string& path, std::string& rows) {
  if (value.is<Json::Object>()) {
    for (const Json::Member& member : value.as<Json::Object>()) {
      AddRows(member.value, path.empty() ? member.key : path + " · " + member.key, rows);
    }
    return;
  }
  const std::string text = value.is<Json::Array>() ? ScalarList(value.as<Json::Array>()) : Plain(value);
  rows += "<dt>" + EscapeXml(path.empty() ? "value" : path) + "</dt><dd>" + EscapeXml(text) + "</dd>\n";
}

std::string Block(const std::string& title, const Json& value, bool open) {
  if (value.is_null()) return "";
  std::string rows;
  AddRows(value, "", rows);
  return std::string("<details") + (open ? " open" : "") + "><summary>" + EscapeXml(title) + "</summary>\n<dl>\n" +
         rows + "</dl></details>\n";
}

std::string ExtrapolatedNote(const Report& report) {
  double largest = 0;
  std::string where;
  for (const PointFigures& point : report.points) {
    for (const PolicyFigures& policy : point.policies) {
      if (policy.figures.extrapolated_fraction <= largest) continue;
      largest = policy.figures.extrapolated_fraction;
      where = policy.policy + " in " + point.title();
    }
  }
  if (where.empty()) return "<p>No kernel cost was extrapolated: every shape lies inside the measured ones.</p>\n";
  return "<p>Up to " + Percent(largest, 2) + " of the busy time (" + EscapeXml(where) +
         ") rests on kernel costs extrapolated beyond the measured shapes.</p>\n";
}

/// "Step times: …", once for scenarios of one kind.
std::string PublishedErrorNote(const Report& report) {
  std::vector<std::string> told;
  std::string html;
  for (const auto& [place, stated] : report.assumptions) {
    const JsonReader assumptions(stated, place);
    const std::string words = PublishedErrorInWords(assumptions);
    if (words.empty() || std::find(told.begin(), told.end(), words) != told.end()) continue;
    told.push_back(words);
    html += "<p>Step times: " + EscapeXml(words) + ".</p>\n";
  }
  return html;
}

}  // namespace

std::string Footer(const Report& report) {
  std::string html = "<section>\n<h2>What it rests on</h2>\n" + ExtrapolatedNote(report) + PublishedErrorNote(report);
  if (report.assumptions.empty()) html += "<p class=\"note\">The result states no assumptions.</p>\n";
  // A sweep repeats them at every point: closed, they leave the page readable.
  const bool few = report.assumptions.size() <= 3;
  const std::size_t shown = std::min(report.assumptions.size(), kMostDetailedPoints);
  for (std::size_t i = 0; i < shown; ++i) {
    const auto& [place, stated] = report.assumptions[i];
    html += Block("Assumptions and defaults: " + place, stated, few);
  }
  html += Block("Where it comes from", report.provenance, true);
  html += Block("Inputs (SHA-256)", report.inputs, false);
  return html + "</section>\n";
}

}  // namespace dflop
