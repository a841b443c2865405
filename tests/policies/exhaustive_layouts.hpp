// Every layout of a job simulated, written the plain way: what the searching planners are judged against.
#pragma once

#include <algorithm>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "policies/layout_search/layout_race.hpp"
#include "sim/plan/training_check.hpp"
#include "sim/step/step.hpp"

namespace dflop {

class ExhaustiveSearch {
 public:
  explicit ExhaustiveSearch(const PlanningProblem& problem) : problem_(problem), batches_(RaceBatches(problem)) {}

  struct Best {
    double seconds = std::numeric_limits<double>::infinity();
    std::string name;
    std::size_t layouts = 0;  ///< that fit
  };
  /// The least mean step over all planning batches. Every layout meets the first batch; of more than a hundred, those
  /// that take more than 1.2 × the fastest there are left out of the rest.
  Best OfAll() {
    MeetUniform();
    MeetSeparate();
    return Least([](const Layout&) { return true; });
  }
  /// Those, sequences over several ranks, and the encoder spread over the LLM's devices.
  Best OfAllAxes() {
    for (int cp = 2; cp <= problem_.cost.cluster().gpus(); cp *= 2) MeetUniform(cp);
    MeetSpread();
    return OfAll();
  }
  /// The same of homogeneous and colocated layouts alone.
  Best OfUniform() {
    MeetUniform();
    return Least([](const Layout& layout) { return !layout.joins(); });
  }

  /// Step time on a planning batch; infinity where it does not fit.
  double StepTime(const Layout& layout, std::size_t b) {
    const auto orders = OrdersOf(problem_.schedule, layout);
    BatchProblem problem = MakeBatchProblem(BatchContext{problem_.cost, layout, orders, batches_[b]});
    problem.rehearsal = true;
    RandomStream random(problem_.seed, "planning/batcher" + (b > 0 ? "/" + std::to_string(b) : std::string()));
    BatchPlan plan;
    try {
      plan = problem_.batcher.Schedule(problem, random);
    } catch (const Infeasible&) {
      return std::numeric_limits<double>::infinity();
    }
    const Step step = SimulateStep({problem_.cost, layout, orders}, plan, batches_[b], *replay_);
    const Bytes peak = PeakMemory({problem_.cost, layout, orders}, step.work).peak;
    const bool fits = peak <= problem_.cost.cluster().only_node().gpu.memory * (1 - kMemoryReserve);
    return fits ? step.times.makespan.value() : std::numeric_limits<double>::infinity();
  }

 private:
  template <typename Counts>
  Best Least(Counts counts) {
    Best best;
    double least = std::numeric_limits<double>::infinity();
    for (const auto& [first, layout] : first_) {
      if (!counts(layout)) continue;
      ++best.layouts;
      least = std::min(least, first);
    }
    const double infinity = std::numeric_limits<double>::infinity();
    // Where none of the fast ones fits with every batch, the slow ones count too.
    for (const double worth : {best.layouts > 100 ? 1.2 * least : infinity, infinity}) {
      if (best.seconds < infinity) break;
      for (const auto& [first, layout] : first_) {
        if (!counts(layout) || first > worth) continue;
        double sum = first;
        for (std::size_t b = 1; b < batches_.size(); ++b) sum += StepTime(layout, b);
        const double mean = sum / static_cast<double>(batches_.size());
        if (mean < best.seconds) best.seconds = mean, best.name = layout.name;
      }
    }
    return best;
  }
  static bool WorthTrying(int count) {  // 2^k and 3·2^k
    while (count % 2 == 0) count /= 2;
    return count == 1 || count == 3;
  }
  template <typename Degrees>
  void Meet(Degrees degrees, int replicas) {
    const ModelSpec& model = problem_.cost.model();
    const ClusterSpec& cluster = problem_.cost.cluster();
    if (!WhyImpossible(degrees, model, cluster).empty()) return;
    for (int m = 1; m * replicas <= problem_.global_batch_size; ++m) {
      if (!WorthTrying(m)) continue;
      degrees.microbatches = m;
      const Layout layout = BuildLayout(degrees, model, cluster);
      if (!WhyNotTrained(problem_.cost, layout).empty()) return;
      const double first = StepTime(layout, 0);
      if (first < std::numeric_limits<double>::infinity()) first_.emplace_back(first, layout);
    }
  }
  void MeetUniform() {
    if (!std::exchange(met_uniform_, true)) MeetUniform(1);
  }
  void MeetUniform(int cp) {
    const int gpus = problem_.cost.cluster().gpus() / cp;
    for (const int tp : {1, 2, 4, 8}) {
      for (int pp = 1; pp * tp <= gpus; ++pp) {
        for (int e = 0; gpus % (tp * pp) == 0 && e < pp; ++e) {
          const int dp = gpus / tp / pp;
          for (int encoder_tp = 0; encoder_tp < tp; ++encoder_tp) {  // what does not divide is impossible
            Meet(
                HomogeneousDegrees{
                    .tp = tp, .pp = pp, .dp = dp, .encoder_stages = e, .encoder_tp = encoder_tp, .cp = cp},
                dp);
          }
        }
      }
    }
  }
  static std::vector<ModuleDegrees> Factors(int gpus) {
    std::vector<ModuleDegrees> all;
    for (const int tp : {1, 2, 4, 8}) {
      for (int pp = 1; pp * tp <= gpus; ++pp) {
        if (gpus % (tp * pp) == 0) all.push_back({tp, pp, gpus / tp / pp, false});
      }
    }
    return all;
  }
  void MeetSpread() {
    for (const ModuleDegrees& llm : Factors(problem_.cost.cluster().gpus())) {
      for (int tp = 1; tp <= llm.tp; ++tp) {  // what does not divide is impossible
        const std::vector<ModuleDegrees> all(problem_.cost.model().encoders.size(), {.tp = tp, .spread = true});
        Meet(SeparateDegrees{all, llm, 1, Communicator::kDirect}, llm.dp);
      }
    }
  }
  void MeetSeparate() {
    if (std::exchange(met_separate_, true)) return;
    if (problem_.cost.model().encoders.size() == 1) MeetOneSeparate();
    if (problem_.cost.model().encoders.size() == 2) MeetTwoSeparate();
  }
  void MeetOneSeparate() {
    const int gpus = problem_.cost.cluster().gpus();
    for (int encoder_gpus = 1; encoder_gpus < gpus; ++encoder_gpus) {
      for (const ModuleDegrees& encoder : Factors(encoder_gpus)) {
        for (const ModuleDegrees& llm : Factors(gpus - encoder_gpus)) {
          for (const Communicator communicator : {Communicator::kHub, Communicator::kDirect}) {
            Meet(SeparateDegrees{{encoder}, llm, 1, communicator}, llm.dp);
          }
        }
      }
    }
  }

  /// On 2^k or 3·2^k GPUs each, in pipelines of at most four: what the planner tries.
  void MeetTwoSeparate() {
    const int gpus = problem_.cost.cluster().gpus();
    for (int first = 1; first < gpus; ++first) {
      for (int second = 1; first + second < gpus; ++second) {
        if (!WorthTrying(first) || !WorthTrying(second)) continue;
        for (const ModuleDegrees& a : Factors(first)) {
          for (const ModuleDegrees& b : Factors(second)) {
            if (a.pp > 4 || b.pp > 4) continue;
            for (const ModuleDegrees& llm : Factors(gpus - first - second)) {
              for (const Communicator communicator : {Communicator::kHub, Communicator::kDirect}) {
                Meet(SeparateDegrees{{a, b}, llm, 1, communicator}, llm.dp);
              }
            }
          }
        }
      }
    }
  }

  const PlanningProblem& problem_;
  std::vector<std::vector<SampleShape>> batches_;
  std::unique_ptr<Engine> replay_ = MakeReplayEngine();
  bool met_uniform_ = false;
  bool met_separate_ = false;
  std::vector<std::pair<double, Layout>> first_;  ///< step on the first planning batch
};

}  // namespace dflop
