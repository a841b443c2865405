// The cluster drawn, and where the bytes of every policy's first step went.
#include <algorithm>

#include "base/text.hpp"
#include "experiments/report/cells.hpp"
#include "experiments/report/page.hpp"

namespace dflop {
namespace {

struct Column {
  const char* link;
  const char* kind;
  const char* title;
};
constexpr std::array<Column, 8> kColumns = {{{"nvlink", "stage", "NVLink: stages, GB"},
                                             {"nvlink", "encoder_llm", "NVLink: encoder → LLM, GB"},
                                             {"nvlink", "gradients", "NVLink: gradients, GB"},
                                             {"nvlink", "parameters", "NVLink: weights, GB"},
                                             {"nic", "stage", "NICs: stages, GB"},
                                             {"nic", "encoder_llm", "NICs: encoder → LLM, GB"},
                                             {"nic", "gradients", "NICs: gradients, GB"},
                                             {"nic", "parameters", "NICs: weights, GB"}}};

double BytesOf(const Json& traffic, const Column& column) {
  double bytes = 0;
  for (const Json& entry : traffic.find("by_link")->as<Json::Array>()) {
    const bool here =
        entry.find("link")->as<std::string>() == column.link && entry.find("kind")->as<std::string>() == column.kind;
    if (here) bytes += entry.find("bytes")->number();
  }
  return bytes;
}

std::string Busiest(const Json& traffic) {
  const Json::Array& links = traffic.find("busiest_links")->as<Json::Array>();
  if (links.empty()) return "none";
  const Json& first = links.front();
  return first.find("link")->as<std::string>() + ", " + Format("%.3g s", first.find("busy_s")->number());
}

}  // namespace

std::string TrafficTable(const PointFigures& point) {
  std::vector<Column> shown;
  for (const Column& column : kColumns) {
    const bool any = std::any_of(point.policies.begin(), point.policies.end(), [&](const PolicyFigures& policy) {
      return !policy.traffic.is_null() && BytesOf(policy.traffic, column) > 0;
    });
    if (any) shown.push_back(column);
  }
  if (shown.empty()) return "";
  std::vector<std::string> titles = {"Policy"};
  for (const Column& column : shown) titles.emplace_back(column.title);
  titles.emplace_back("Busiest link, at full rate");
  std::string html =
      "<details><summary>Where the bytes went</summary>\n<p class=\"note\">Messages and collectives of the first step "
      "of the first seed; what tensor parallelism moves inside operations is not among them.</p>\n"
      "<div class=\"scroll\"><table>\n<thead>" +
      HeaderRow(titles) + "</thead>\n<tbody>\n";
  for (const PolicyFigures& policy : point.policies) {
    if (policy.traffic.is_null()) continue;
    html += "<tr><td>" + EscapeXml(policy.shown()) + "</td>";
    for (const Column& column : shown) {
      const double gigabytes = BytesOf(policy.traffic, column) / 1e9;
      html += Cell(gigabytes, Fixed(gigabytes, 2));
    }
    html += "<td>" + EscapeXml(Busiest(policy.traffic)) + "</td></tr>\n";
  }
  return html + "</tbody></table></div>\n</details>\n";
}

}  // namespace dflop
