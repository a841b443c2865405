// dflop: the paper's Data-aware 3D Parallelism Optimizer (arXiv 2603.25120, section 3.3, Algorithm 1).
//
// Encoder and LLM on disjoint GPUs, all GPUs used; every split, every TP × PP × DP of either side, every microbatch
// count; the smallest T of the formula of means (means_formula.hpp) wins. A winner whose batches would not fit at the
// true peak over the schedule gives way to the next best.
//
// Guessed where the paper is silent: a stage has at least one layer; TP groups stay inside a node; ties go to the first
// in order of encoder GPUs, encoder TP and PP, LLM TP and PP, microbatches.
#include <algorithm>
#include <queue>
#include <utility>

#include "base/error.hpp"
#include "policies/means_formula.hpp"
#include "policies/plan_simulator.hpp"
#include "policies/registry.hpp"

namespace dflop {
namespace {

/// A choice of degrees with its best microbatch count still to be refused.
struct Choice {
  SeparateDegrees degrees;
  Seconds time{0};
  std::size_t order = 0;
};
struct Later {
  bool operator()(const Choice& a, const Choice& b) const {
    return a.time != b.time ? a.time > b.time : a.order > b.order;
  }
};
using Queue = std::priority_queue<Choice, std::vector<Choice>, Later>;

std::vector<ModuleDegrees> Factorisations(const PlanningProblem& problem, int module, int first_gpu, int gpus) {
  const ModelSpec& model = problem.cost.model();
  const int node = problem.cost.cluster().node.gpus;
  std::vector<ModuleDegrees> all;
  for (int tp = 1; tp <= std::min(8, node); tp *= 2) {
    const bool stays_in_node = node % tp == 0 && first_gpu % tp == 0;
    if (gpus % tp != 0 || !stays_in_node || model.shape(module).heads % tp != 0) continue;
    for (int pp = 1; pp <= std::min(gpus / tp, model.shape(module).layers); ++pp) {
      if (gpus / tp % pp == 0) all.push_back({tp, pp, gpus / tp / pp, false});
    }
  }
  return all;
}

class DflopLayout final : public LayoutPlanner {
 public:
  explicit DflopLayout(Communicator communicator) : communicator_(communicator) {}

  LayoutDecision Plan(const PlanningProblem& problem) const override {
    MeansFormula formula(problem);
    Queue queue;
    std::size_t evaluated = 0;
    std::size_t plans = 0;
    for (SeparateDegrees& degrees : AllDegrees(problem)) {
      std::optional<Choice> best = BestCount(formula, degrees, problem.global_batch_size, 1, evaluated);
      if (!best) continue;
      best->order = plans++;
      queue.push(std::move(*best));
    }
    if (queue.empty()) throw Infeasible("no separate layout fits into memory; the least bad: " + LeastBad(problem));
    return FirstThatFits(problem, formula, std::move(queue), evaluated);
  }

 private:
  std::vector<SeparateDegrees> AllDegrees(const PlanningProblem& problem) const {
    const std::size_t encoders = problem.cost.model().encoders.size();
    if (encoders > 1) throw Infeasible("the paper's optimizer knows one encoder, the model has more");
    const int gpus = problem.cost.cluster().gpus();
    std::vector<SeparateDegrees> all;
    if (encoders == 0) {
      for (const ModuleDegrees& llm : Factorisations(problem, 0, 0, gpus)) all.push_back({{}, llm, 1, communicator_});
      return all;
    }
    for (int encoder_gpus = 1; encoder_gpus < gpus; ++encoder_gpus) {
      const auto llms = Factorisations(problem, 1, encoder_gpus, gpus - encoder_gpus);
      for (const ModuleDegrees& encoder : Factorisations(problem, 0, 0, encoder_gpus)) {
        for (const ModuleDegrees& llm : llms) all.push_back({{encoder}, llm, 1, communicator_});
      }
    }
    return all;
  }

  /// Where even the formula finds no room: the layout that overflows least, with as many microbatches as there can be.
  std::string LeastBad(const PlanningProblem& problem) const {
    PlanSimulator simulator(problem);
    for (SeparateDegrees& degrees : AllDegrees(problem)) {
      degrees.microbatches = problem.global_batch_size / degrees.llm.dp;
      if (degrees.microbatches == 0) continue;
      simulator.Fits(BuildLayout(degrees, problem.cost.model(), problem.cost.cluster()));
    }
    return simulator.least_bad().empty() ? "none, there are fewer samples than replicas" : simulator.least_bad();
  }

  /// The microbatch count from `least` on with the smallest T; nothing when none fits the formula's memory.
  static std::optional<Choice> BestCount(MeansFormula& formula, SeparateDegrees degrees, int global_batch_size,
                                         int least, std::size_t& evaluated) {
    std::optional<Choice> best;
    for (int i = least; i <= global_batch_size / degrees.llm.dp; ++i) {
      degrees.microbatches = i;
      ++evaluated;
      const std::optional<Seconds> time = formula.StepTime(degrees);
      if (time && (!best || *time < best->time)) best = Choice{degrees, *time};
    }
    return best;
  }

  LayoutDecision FirstThatFits(const PlanningProblem& problem, MeansFormula& formula, Queue queue,
                               std::size_t evaluated) const {
    PlanSimulator simulator(problem);
    LayoutDecision decision;
    constexpr std::size_t kShown = 20;
    bool found = false;
    while (!queue.empty() && (!found || decision.candidates.size() < kShown)) {
      Choice choice = queue.top();
      queue.pop();
      const Layout layout = BuildLayout(choice.degrees, problem.cost.model(), problem.cost.cluster());
      Candidate candidate = simulator.Fits(layout);
      candidate.predicted = choice.time;
      if (candidate.fits && !found) {
        decision.layout = layout;
        decision.predicted = choice.time;
        found = true;
      } else if (!candidate.fits && !found) {  // smaller microbatches of the same degrees may fit
        auto next =
            BestCount(formula, choice.degrees, problem.global_batch_size, choice.degrees.microbatches + 1, evaluated);
        if (next) {
          next->order = choice.order;
          queue.push(std::move(*next));
        }
      }
      decision.candidates.push_back(std::move(candidate));
    }
    if (!found) throw Infeasible("no separate layout fits into memory; the least bad: " + simulator.least_bad());
    decision.reason = "the smallest (N_mb + E_pp + L_pp − 1)·max(E_dur, L_dur) of " + std::to_string(evaluated) +
                      " evaluated that fits; the time is the formula's, not a simulation's";
    return decision;
  }

  Communicator communicator_;
};

const Registration<LayoutPlanner> kDflop{
    {"dflop",
     "DFLOP's optimizer: separate encoder and LLM degrees by its formula of means (arXiv 2603.25120, Alg. 1)",
     {"communicator"}},
    [](const JsonReader& json) {
      const bool hub = json.OneOfOr("communicator", "hub", {"hub", "direct"}) == "hub";
      return std::make_unique<DflopLayout>(hub ? Communicator::kHub : Communicator::kDirect);
    }};

}  // namespace
}  // namespace dflop
