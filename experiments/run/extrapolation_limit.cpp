// Shapes are those of one step, priced once more with a list behind the costs.
#include "experiments/run/extrapolation_limit.hpp"

#include <memory>

#include "base/error.hpp"
#include "experiments/results/figure_text.hpp"
#include "models/extrapolated_shapes.hpp"
#include "sim/graph/operation_graph.hpp"

namespace dflop {

// Of one step: all of a run's would hardly name other kinds of kernels.
Json ListExtrapolated(const Scenario& scenario, const PlannedJob& job, const StepWork& work,
                      std::span<const ReplicaClass> classes) {
  constexpr std::size_t kNamed = 8;
  std::vector<std::shared_ptr<ExtrapolatedShapes>> shapes;  // by kind of nodes
  for (const auto& kernels : scenario.kernels) shapes.push_back(std::make_shared<ExtrapolatedShapes>(kernels));
  PriceStep(CostModel(scenario.model, scenario.cluster, {shapes.begin(), shapes.end()}, job.cost.software()),
            job.decision.layout, work, classes);
  std::size_t count = 0;
  std::vector<std::string> longest;
  for (const auto& of_kind : shapes) {
    count += of_kind->size();
    for (const std::string& shape : of_kind->Longest(kNamed / shapes.size())) longest.push_back(shape);
  }
  Json json;
  json["count"] = count;
  json["longest"] = Json::ArrayOf(longest);
  return json;
}

// A trace that knows little of what the job needs says little about it.
void RefuseExtrapolation(const Scenario& scenario, const std::string& who, double fraction, const std::string& of,
                         const Json& shapes) {
  const double limit = scenario.max_extrapolated_fraction;
  if (fraction <= limit) return;
  const Json::Array& longest = shapes.find("longest")->as<Json::Array>();
  throw InputError(
      scenario.file, scenario.pointer + "/costs",
      "covers too little of what " + who + " needs: " + Percent(fraction) + " " + of +
          " lies outside what was measured, " + Percent(limit) + " may (max_extrapolated_fraction)" +
          (longest.empty() ? "" : "; the longest of the first step: " + longest.front().as<std::string>()));
}

}  // namespace dflop
