// A planner would simulate the layout to judge it; placing it is enough to know whether it can run.
#include "experiments/published_runs/scenario_check.hpp"

#include "base/error.hpp"
#include "experiments/spec/scenario.hpp"
#include "models/software_stack.hpp"
#include "policies/api/infeasible.hpp"
#include "sim/plan/training_check.hpp"

namespace dflop {
namespace {

std::string WhyNotRun(const Scenario& scenario, const HomogeneousDegrees& degrees) {
  const CostModel cost = scenario.MakeCostModel();
  const std::string why = WhyImpossible(degrees, scenario.model, scenario.cluster);
  if (!why.empty()) return why;
  const Layout layout = BuildLayout(degrees, scenario.model, scenario.cluster);
  const std::string training = WhyNotTrained(cost, layout);
  if (!training.empty()) return training;
  const std::unique_ptr<PipelineSchedule> schedule = scenario.policies.front().MakeSchedule();
  OrdersOf(*schedule, layout);
  return "";
}

}  // namespace

CheckedScenario CheckScenario(const Json& scenario, const HomogeneousDegrees& degrees) {
  CheckedScenario checked;
  try {
    const Scenario read = ReadScenario(JsonReader(scenario, ""), {});
    checked.refused = WhyNotRun(read, degrees);
    checked.gpu = read.cluster.node_at(0).gpu.name;
    checked.gpu_memory_bytes = read.cluster.node_at(0).gpu.memory.value();
  } catch (const InputError& error) {
    checked.refused = error.pointer() + ": " + error.what();
  } catch (const Infeasible& error) {
    checked.refused = error.what();
  }
  return checked;
}

bool IsPrecisionWord(const std::string& word) {
  Json scenario;
  scenario["precision"] = word;
  try {
    ReadSoftwareStack(JsonReader(scenario, ""));
    return true;
  } catch (const InputError&) {
    return false;
  }
}

}  // namespace dflop
