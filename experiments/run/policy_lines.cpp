// Parameters are left out: the line says what kind of rule it is, the experiment says with what.
#include "experiments/run/policy_lines.hpp"

#include <algorithm>
#include <set>

#include "policies/api/registry.hpp"

namespace dflop {
namespace {

std::string PluginName(const Json& written) {
  const Json* name = written.is<std::string>() ? &written : written.find("name");
  return name != nullptr && name->is<std::string>() ? name->as<std::string>() : "";
}

template <typename Interface>
std::string HeadOf(const std::string& name) {
  for (const PluginInfo& info : Registry<Interface>::Instance().List()) {
    if (info.name == name) return SummaryHead(info.summary);
  }
  return name;
}

Json DescribePolicy(const PolicySpec& policy) {
  Json json;
  json["name"] = policy.name;
  json["layout"] = PluginName(policy.layout);
  json["batching"] = PluginName(policy.batching);
  json["pipeline"] = PluginName(policy.pipeline);
  std::string line = "layout: " + HeadOf<LayoutPlanner>(PluginName(policy.layout)) +
                     "; batches: " + HeadOf<BatchScheduler>(PluginName(policy.batching)) +
                     "; pipeline: " + HeadOf<PipelineSchedule>(PluginName(policy.pipeline));
  const std::string correction = PluginName(policy.correction);
  if (!correction.empty() && correction != "off") {
    json["correction"] = correction;
    line += "; correction: " + HeadOf<Correction>(correction);
  }
  json["line"] = line;
  return json;
}

}  // namespace

std::string SummaryHead(const std::string& summary) {
  std::size_t end = summary.size();
  for (const char* mark : {": ", "; ", " ("}) end = std::min(end, summary.find(mark));
  return summary.substr(0, end);
}

Json DescribePolicies(const Experiment& experiment) {
  Json all = Json::EmptyArray();
  std::set<std::string> told;
  for (const Point& point : experiment.points) {
    for (const PolicySpec& policy : point.scenario.policies) {
      if (told.insert(policy.name).second) all.push_back(DescribePolicy(policy));
    }
  }
  return all;
}

}  // namespace dflop
