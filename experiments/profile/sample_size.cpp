// Layouts are judged over the pool once and remembered by name: resamples choose the same few again and again.
#include "experiments/profile/sample_size.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <set>

#include "base/index.hpp"
#include "policies/layout_search/plan_simulator.hpp"

namespace dflop {
namespace {

/// One policy's planner, and the pool that its choices are judged on.
class Bootstrap {
 public:
  Bootstrap(const Scenario& scenario, const PolicySpec& policy, const std::vector<SampleShape>& pool)
      : cost_(scenario.MakeCostModel()),
        global_batch_size_(scenario.global_batch_size),
        planner_(policy.MakePlanner()),
        batcher_(policy.MakeBatcher()),
        schedule_(policy.MakeSchedule()),
        pool_(pool),
        whole_(Problem(pool)),
        judge_(whole_) {}

  Layout Choose(const std::vector<SampleShape>& samples) const { return planner_->Plan(Problem(samples)).layout; }

  /// Mean step time over the pool; nothing when it does not fit.
  std::optional<Seconds> StepTime(const Layout& layout) {
    const auto known = times_.find(layout.name);
    if (known != times_.end()) return known->second;
    const Candidate judged = judge_.Judge(layout);
    return times_[layout.name] = judged.fits ? std::optional(judged.predicted) : std::nullopt;
  }

  std::vector<SampleShape> Resample(RandomStream& random, int count) const {
    std::vector<SampleShape> samples;
    samples.reserve(Index(count));
    for (int i = 0; i < count; ++i) samples.push_back(pool_[random.Below(pool_.size())]);
    return samples;
  }

 private:
  PlanningProblem Problem(const std::vector<SampleShape>& samples) const {
    return {cost_, global_batch_size_, samples, *batcher_, *schedule_, 1};
  }

  CostModel cost_;
  int global_batch_size_;
  std::unique_ptr<LayoutPlanner> planner_;
  std::unique_ptr<BatchScheduler> batcher_;
  std::unique_ptr<PipelineSchedule> schedule_;
  const std::vector<SampleShape>& pool_;
  PlanningProblem whole_;
  PlanSimulator judge_;
  std::map<std::string, std::optional<Seconds>> times_;
};

/// What the resamples of one size chose.
struct Choices {
  std::vector<std::string> names;  ///< "" where nothing was feasible
  std::vector<double> regrets;     ///< of those that fit the pool
};

SampleSizeRow Summarise(Choices choices, int samples, const std::string& chosen) {
  SampleSizeRow row;
  row.samples = samples;
  row.resamples = static_cast<int>(choices.names.size());
  const double all = static_cast<double>(choices.names.size());
  row.layouts = static_cast<int>(std::set<std::string>(choices.names.begin(), choices.names.end()).size());
  row.same = static_cast<double>(std::count(choices.names.begin(), choices.names.end(), chosen)) / all;
  std::vector<double>& regrets = choices.regrets;
  row.unfit = 1 - static_cast<double>(regrets.size()) / all;
  if (regrets.empty()) return row;
  std::sort(regrets.begin(), regrets.end());
  for (const double regret : regrets) {
    row.mean_regret += regret / static_cast<double>(regrets.size());
    row.good += regret <= kEnoughRegret ? 1 / all : 0;
  }
  const double rank = std::ceil(0.95 * static_cast<double>(regrets.size()));
  row.high_regret = regrets[static_cast<std::size_t>(rank) - 1];
  return row;
}

void Count(std::vector<ChosenLayout>& layouts, const std::string& name, std::optional<double> regret) {
  auto known = std::find_if(layouts.begin(), layouts.end(), [&](const ChosenLayout& l) { return l.name == name; });
  if (known == layouts.end()) known = layouts.insert(known, {name, 0, regret});
  ++known->times;
}

}  // namespace

int SampleSizeStudy::Enough() const {
  int enough = 0;
  for (auto row = rows.rbegin(); row != rows.rend() && row->good >= kEnoughShare - 1e-9; ++row) enough = row->samples;
  return enough;
}

SampleSizeStudy StudySampleSize(const Scenario& scenario, const PolicySpec& policy,
                                const std::vector<SampleShape>& pool, const std::vector<int>& sizes, int resamples,
                                const std::function<void()>& planned) {
  Bootstrap bootstrap(scenario, policy, pool);
  const Layout reference = bootstrap.Choose(pool);
  const std::optional<Seconds> best = bootstrap.StepTime(reference);
  if (!best) throw Infeasible("the layout chosen from the whole pool does not fit its batches");
  SampleSizeStudy study{reference.name, {}, {}};
  for (const int size : sizes) {
    Choices choices;
    RandomStream random = scenario.Stream(0, "bootstrap/" + std::to_string(size));
    for (int i = 0; i < resamples; ++i, planned()) {
      try {
        const Layout layout = bootstrap.Choose(bootstrap.Resample(random, size));
        choices.names.push_back(layout.name);
        const std::optional<Seconds> time = bootstrap.StepTime(layout);
        if (time) choices.regrets.push_back(*time / *best - 1);
        Count(study.layouts, layout.name, time ? std::optional(*time / *best - 1) : std::nullopt);
      } catch (const Infeasible&) {
        choices.names.emplace_back();
      }
    }
    study.rows.push_back(Summarise(std::move(choices), size, reference.name));
  }
  std::stable_sort(study.layouts.begin(), study.layouts.end(),
                   [](const ChosenLayout& a, const ChosenLayout& b) { return a.times > b.times; });
  return study;
}

}  // namespace dflop
