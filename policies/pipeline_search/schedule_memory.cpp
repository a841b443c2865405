// 1F1B's figure holds for one chunk per device; of several, the device's stages count together.
#include "policies/pipeline_search/schedule_memory.hpp"

#include <algorithm>
#include <cmath>
#include <string>

#include "base/text.hpp"
#include "policies/api/infeasible.hpp"

namespace dflop {
namespace {

constexpr double kLeastMemory = 0.01, kMostMemory = 1000;

}  // namespace

double HeldByOneFOneB(const ScheduleProblem& problem) {
  double most = 0;
  const std::vector<std::vector<int>> stages = problem.StagesOfDevices();
  for (int device = 0; device < problem.devices; ++device) {
    double of_device = 0;
    for (const int stage : stages[Index(device)]) of_device += problem.Held(stage);
    most = std::max(most, of_device * std::min(problem.devices - device, problem.microbatches));
  }
  return most;
}

Parameter MemoryParameter() {
  return {.name = "memory",
          .type = Parameter::Number{kLeastMemory, kMostMemory},
          .help = "most that a device may hold, in multiples of the fullest one's under 1f1b; not given: 1"};
}

std::optional<double> MemoryOf(const Parameters& given) {
  return given.Given("memory") ? std::optional(given.Number("memory")) : std::nullopt;
}

double LimitOf(const ScheduleProblem& problem, std::optional<double> memory) {
  const double of_1f1b = HeldByOneFOneB(problem);
  const double without = std::isfinite(problem.memory_limit) ? problem.memory_limit : of_1f1b;
  const double limit = memory ? std::min(problem.memory_limit, *memory * of_1f1b) : without;
  const std::vector<std::vector<int>> stages = problem.StagesOfDevices();
  for (std::size_t device = 0; device < stages.size(); ++device) {
    // By all chunks that the microbatch passes, before it comes back from the last.
    std::vector<double> by_direction(Index(problem.directions));
    for (const int stage : stages[device]) {
      by_direction[Index(stage / problem.stages_of_direction())] += problem.Held(stage);
    }
    const double held = *std::max_element(by_direction.begin(), by_direction.end());
    if (Fits(held, limit)) continue;
    throw Infeasible("device " + std::to_string(device) + " holds " + Format("%g", held) +
                         " for one microbatch alone, " + Format("%g", held - limit) + " above the limit of " +
                         Format("%g", limit) + (memory ? " that \"memory\" sets" : ""),
                     "/pipeline");
  }
  return limit;
}

double Excess(const TimedOrders& run, double limit) {
  double most = 0;
  for (const double peak : run.peak_activations) {
    if (!Fits(peak, limit)) most = std::max(most, peak - limit);
  }
  return most;
}

}  // namespace dflop
