// adaptive: DFLOP's Adaptive Correction (arXiv 2603.25120, section 3.4.3).
//
// While it watches, every microbatch's time beside its prediction goes into a table of residuals by module and range of
// shapes (residual_table.hpp), and batches are planned with corrected times. Watching costs about 4 % (section 5.3.7);
// when what the corrections gain, on average over a window of steps, is no more than that, it stops for good.
//
// Chosen where the paper is silent or contradicts itself (it compares a shape's throughput with the training's, and
// calls a slow shape no benefit): the gain is the predicted speedup of the step planned with the corrections over the
// same step planned without them, both under the corrected costs; the cost is what forward and backward that last 4 %
// longer add to that step, which is less than 4 %, because messages do not. With the tracking the corrections end too:
// what is no longer watched grows stale, and they were just found not to pay. The batch schedulers' costs are of a
// module's slowest stage, so they are corrected by the stage that a shape slows down most; the gain is predicted with
// every stage's own estimate.
#include <algorithm>
#include <map>
#include <numeric>

#include "base/index.hpp"
#include "policies/api/correction.hpp"
#include "policies/api/registry.hpp"
#include "policies/correction/residual_table.hpp"
#include "sim/build/step_costs.hpp"

namespace dflop {
namespace {

struct Options {
  double monitoring_cost = 0.04;
  int window = 30;  ///< steps
  double range_tokens = 128;
  int min_observations = 3;
};

/// [stage][microbatch]: how long its forward and backward took.
std::vector<std::vector<Seconds>> ActualTimes(const Timeline& timeline, const Layout& layout) {
  std::vector<std::vector<Seconds>> times(layout.stages.size(), std::vector<Seconds>(Index(layout.units())));
  for (const TimelineEvent& event : timeline.events) {
    if (event.group >= 0 && event.microbatch >= 0) {
      times[Index(event.stage)][Index(event.microbatch)] += event.end - event.start;
    }
  }
  return times;
}

Seconds PredictedTime(const StepCosts& costs, std::size_t stage, int microbatch) {
  const PartCost& cost = costs.stages[stage][Index(microbatch)];
  const Seconds backward = cost.backward.time + cost.weight_gradient.time;
  return cost.forward.time + (costs.needs_backward[stage] ? backward : Seconds(0));
}

class AdaptiveCorrection final : public Correction {
 public:
  explicit AdaptiveCorrection(const Options& options)
      : options_(options), table_(options.range_tokens, options.min_observations) {}

  /// That of the stage that the samples slow down most.
  double Factor(int module, double tokens) const override {
    if (!tracking_) return 1;
    double factor = table_.Factor(0, module, tokens);
    const auto stages = stages_of_.find(module);
    const int count = stages == stages_of_.end() ? 1 : stages->second;
    for (int stage = 1; stage < count; ++stage) factor = std::max(factor, table_.Factor(stage, module, tokens));
    return factor;
  }
  bool tracking() const override { return tracking_; }
  double monitoring_cost() const override { return options_.monitoring_cost; }

  void Observe(const Observation& step) override {
    Learn(step);
    Judge(step);
    const bool decides = gains_.size() >= Index(options_.window);
    if (decides && Mean(gains_) <= Mean(costs_)) tracking_ = false;
  }

  Json Report() const override {
    Json report;
    report["tracking_at_end"] = tracking_;
    report["steps_tracked"] = gains_.size();
    report["mean_predicted_gain"] = Mean(gains_);
    report["mean_predicted_cost"] = Mean(costs_);
    return report;
  }

 private:
  /// Every stage's microbatch says something.
  void Learn(const Observation& step) {
    const Layout& layout = step.context.layout;
    const SampleShares shares(step.context, step.plan);
    const std::vector<int> places = PlacesInModules(layout);
    const auto actual = ActualTimes(step.actual, layout);
    for (std::size_t s = 0; s < layout.stages.size(); ++s) {
      for (const ModulePart& part : layout.stages[s].parts) stages_of_[part.module] = places[s] + 1;
      for (int k = 0; k < layout.units(); ++k) {
        const Seconds predicted = PredictedTime(step.predicted, s, k) * (1 + options_.monitoring_cost);
        const std::vector<SampleShare> samples = shares.Of(layout.stages[s], k);
        if (predicted <= Seconds(0) || samples.empty()) continue;  // an encoder without tiles
        table_.Add(places[s], samples, actual[s][Index(k)] / predicted - 1);
      }
    }
    table_.Solve();
  }

  /// What the corrections gain in this step, and what watching it costs, both as a share of the step.
  void Judge(const Observation& step) {
    const double slower = 1 + options_.monitoring_cost;
    const auto time = [&](const BatchPlan& plan, double by) {
      return CorrectedTime(step.context, plan, [&](int stage, int module, double tokens) {
        return by * table_.Factor(stage, module, tokens);
      });
    };
    const Seconds corrected = time(step.plan, 1);
    gains_.push_back(time(step.plain, 1) / corrected - 1);
    costs_.push_back(time(step.plan, slower) / corrected - 1);
  }

  /// Over the last window.
  double Mean(const std::vector<double>& values) const {
    const std::size_t count = std::min(values.size(), Index(options_.window));
    if (count == 0) return 0;
    return std::accumulate(values.end() - static_cast<std::ptrdiff_t>(count), values.end(), 0.0) /
           static_cast<double>(count);
  }

  Options options_;
  ResidualTable table_;
  std::vector<double> gains_;     ///< of every step watched
  std::vector<double> costs_;     ///< likewise
  std::map<int, int> stages_of_;  ///< by module
  bool tracking_ = true;
};

const Registration<Correction> kAdaptive{
    {"adaptive",
     "learns which shapes are slower than predicted, stops when that does not pay (arXiv 2603.25120, 3.4.3)",
     {{.name = "monitoring_cost",
       .type = Parameter::Number{0, 1},
       .standard = Options{}.monitoring_cost,
       .help = "share of the step that watching costs"},
      {.name = "window",
       .type = Parameter::Integer{1, 1'000'000},
       .standard = Options{}.window,
       .unit = "steps",
       .help = "after which it stops where it does not pay"},
      {.name = "range_tokens",
       .type = Parameter::Number{1, 1e6},
       .standard = Options{}.range_tokens,
       .unit = "tokens",
       .help = "width of the shapes that share an estimate"},
      {.name = "min_observations",
       .type = Parameter::Integer{1, 1'000'000},
       .standard = Options{}.min_observations,
       .help = "of a shape before it is corrected"}}},
    [](const Parameters& given) {
      Options options;
      options.monitoring_cost = given.Number("monitoring_cost");
      options.window = static_cast<int>(given.Int("window"));
      options.range_tokens = given.Number("range_tokens");
      options.min_observations = static_cast<int>(given.Int("min_observations"));
      return std::make_unique<AdaptiveCorrection>(options);
    }};

}  // namespace
}  // namespace dflop
