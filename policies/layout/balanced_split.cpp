// balanced-split: of a pipeline with given degrees, how many first stages the encoder gets, so that no stage has more
// to do over a whole batch than it must.
//
// Entrain's static split (arXiv 2605.27918): single samples and microbatches differ widely, sums over a global batch
// hardly, so that one split by the loads of a few hundred samples serves the whole run. For every number of encoder
// stages the planning sample's seconds in the slowest stage of every module are added up; the split with the smallest
// largest sum wins. With "uneven_layers" the LLM's last stage, which holds head and loss, may leave up to `kMostFewer`
// layers to the others: the part of OmniBal's balanced partition (arXiv 2407.20761) that stages of one module can say.
//
// Guessed, for the texts leave it open: the degrees themselves are given and not searched, and equal splits go to fewer
// encoder stages. A stage that holds the encoder's end and the LLM's beginning, as OmniBal's cuts may make, is not
// tried.
#include <algorithm>
#include <limits>
#include <numeric>
#include <optional>

#include "policies/api/registry.hpp"
#include "policies/layout_search/plan_simulator.hpp"
#include "sim/plan/training_check.hpp"

namespace dflop {
namespace {

constexpr int kMostFewer = 4;
constexpr int kMostOfADegree = 1 << 20;

struct Split {
  Layout layout;
  HomogeneousDegrees degrees;
  double load = std::numeric_limits<double>::infinity();  ///< seconds of the busiest stage over the planning sample
};

class BalancedSplit final : public LayoutPlanner {
 public:
  explicit BalancedSplit(const Parameters& given)
      : tp_(static_cast<int>(given.Int("tp"))),
        pp_(static_cast<int>(given.Int("pp"))),
        encoder_tp_(given.Given("encoder_tp") ? static_cast<int>(given.Int("encoder_tp")) : 0),
        samples_(static_cast<int>(given.Int("samples_per_microbatch"))),
        uneven_(given.Flag("uneven_layers")) {}

  LayoutDecision Plan(const PlanningProblem& problem) const override {
    const std::vector<Split> splits = Splits(problem);
    const auto best =
        std::min_element(splits.begin(), splits.end(), [](const Split& a, const Split& b) { return a.load < b.load; });
    const std::string why = WhyNotTrained(problem.cost, best->layout);
    if (!why.empty()) throw Infeasible(why);
    PlanSimulator simulator(problem);
    LayoutDecision decision;
    decision.layout = best->layout;
    decision.candidates = {simulator.Judge(best->layout)};
    if (!decision.candidates.front().fits) throw Infeasible(simulator.least_bad());
    decision.predicted = decision.candidates.front().predicted;
    decision.reason = std::to_string(best->degrees.encoder_stages) + " of " + std::to_string(pp_) +
                      " stages for the encoder, by the loads of the planning sample, among " +
                      std::to_string(splits.size()) + " splits";
    return decision;
  }

 private:
  std::vector<Split> Splits(const PlanningProblem& problem) const {
    const ModelSpec& model = problem.cost.model();
    const ClusterSpec& cluster = problem.cost.cluster();
    if (model.encoders.empty()) throw Infeasible("the model has no encoder to split a pipeline for");
    if (cluster.gpus() % (tp_ * pp_) != 0) {
      throw Infeasible("tp " + std::to_string(tp_) + " times pp " + std::to_string(pp_) + " does not divide the " +
                       std::to_string(cluster.gpus()) + " GPUs");
    }
    std::vector<Split> splits;
    std::string why;
    for (int stages = 1; stages < pp_; ++stages) {
      for (int fewer = 0; fewer <= (uneven_ ? kMostFewer : 0); ++fewer) {
        HomogeneousDegrees degrees{.tp = tp_, .pp = pp_, .dp = cluster.gpus() / (tp_ * pp_), .encoder_stages = stages};
        degrees.encoder_tp = encoder_tp_ == tp_ ? 0 : encoder_tp_;
        degrees.fewer_last = fewer;
        degrees.directions = problem.schedule.directions();
        degrees.microbatches = Microbatches(problem, degrees.dp * degrees.directions);
        const std::string impossible = WhyImpossible(degrees, model, cluster);
        if (!impossible.empty()) {
          why = impossible;
          continue;
        }
        Layout layout = BuildLayout(degrees, model, cluster);
        const double load = LoadOfBusiest(problem, layout);
        splits.push_back({std::move(layout), degrees, load});
      }
    }
    if (splits.empty()) throw Infeasible(why);
    return splits;
  }

  int Microbatches(const PlanningProblem& problem, int replicas) const {
    if (problem.global_batch_size % (replicas * samples_) == 0)
      return problem.global_batch_size / (replicas * samples_);
    throw Infeasible("samples_per_microbatch " + std::to_string(samples_) + " times " + std::to_string(replicas) +
                     " replicas does not divide the global batch of " + std::to_string(problem.global_batch_size));
  }

  static double LoadOfBusiest(const PlanningProblem& problem, const Layout& layout) {
    const BatchProblem loads = MakeBatchProblem(problem.cost, layout, problem.samples);
    double busiest = 0;
    for (const auto& seconds : loads.costs) {
      busiest = std::max(busiest, std::accumulate(seconds.begin(), seconds.end(), 0.0));
    }
    return busiest;
  }

  int tp_;
  int pp_;
  int encoder_tp_;  ///< 0: as tp
  int samples_;
  bool uneven_;
};

const Registration<LayoutPlanner> kBalancedSplit{
    {"balanced-split",
     "given TP and PP, the number of encoder stages that evens out the loads of a batch (Entrain, arXiv 2605.27918)",
     {{.name = "tp", .type = Parameter::Integer{1, 1024}, .standard = 1, .help = "of encoder and LLM"},
      {.name = "pp",
       .type = Parameter::Integer{2, kMostOfADegree},
       .standard = 2,
       .unit = "stages",
       .help = "of encoder and LLM together"},
      {.name = "encoder_tp",
       .type = Parameter::Integer{1, 1024},
       .help = "a divisor of tp, the encoder then runs data-parallel inside a group; by default tp"},
      {.name = "samples_per_microbatch",
       .type = Parameter::Integer{1, kMostOfADegree},
       .standard = 1,
       .help = "on average"},
      {.name = "uneven_layers",
       .type = Parameter::Flag{},
       .standard = false,
       .help = "the LLM's last stage may have fewer layers (OmniBal, arXiv 2407.20761)"}}},
    [](const Parameters& given) { return std::make_unique<BalancedSplit>(given); }};

}  // namespace
}  // namespace dflop
