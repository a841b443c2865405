// dflop: the paper's Data-aware 3D Parallelism Optimizer (arXiv 2603.25120, section 3.3, Algorithm 1).
//
// Encoder and LLM on disjoint GPUs, all GPUs used; every split, every TP × PP × DP of either side, every microbatch
// count; the smallest T of the formula of means (means_formula.hpp) wins. A winner whose batches would not fit at the
// true peak over the schedule gives way to the next best.
//
// Guessed where the paper is silent: a stage has at least one layer; TP groups stay inside a node; ties go to the first
// in order of encoder GPUs, encoder TP and PP, LLM TP and PP, microbatches.
#include "base/error.hpp"
#include "policies/api/registry.hpp"
#include "policies/layout_search/means_search.hpp"
#include "policies/layout_search/plan_simulator.hpp"

namespace dflop {
namespace {

class DflopLayout final : public LayoutPlanner {
 public:
  explicit DflopLayout(Communicator communicator) : communicator_(communicator) {}

  LayoutDecision Plan(const PlanningProblem& problem) const override {
    MeansFormula formula(problem);
    MeansSearch search(formula, SeparatePairs(problem));
    PlanSimulator simulator(problem);
    LayoutDecision decision;
    constexpr std::size_t kShown = 20;
    bool found = false;
    while (!found || decision.candidates.size() < kShown) {
      const std::optional<MeansSearch::Choice> choice = search.Next();
      if (!choice) break;
      const Layout layout = InSplits(BuildLayout(choice->pair.With(choice->microbatches, communicator_),
                                                 problem.cost.model(), problem.cost.cluster()),
                                     problem.schedule.splits());
      Candidate candidate = simulator.Fits(layout);
      candidate.predicted = choice->time;
      if (candidate.fits && !found) {
        decision.layout = layout;
        decision.predicted = choice->time;
        found = true;
      } else if (!found) {
        search.Refuse(*choice);  // smaller microbatches of the same degrees may fit
      }
      decision.candidates.push_back(std::move(candidate));
    }
    if (!found && !simulator.refusal().empty()) {
      throw Infeasible("no separate layout has a pipeline that the schedule allows, as " + simulator.refusal());
    }
    if (!found) throw Infeasible("no separate layout fits into memory; the least bad: " + LeastBad(problem, simulator));
    decision.reason = "the smallest (N_mb + E_pp + L_pp − 1)·max(E_dur, L_dur) of " + std::to_string(search.pairs()) +
                      " choices of degrees that fits (" + std::to_string(search.evaluated()) +
                      " microbatch counts worked out, a bound excludes the rest); the time is the formula's, not a "
                      "simulation's";
    return decision;
  }

 private:
  /// Of the layouts that the formula found room for, otherwise of all.
  std::string LeastBad(const PlanningProblem& problem, const PlanSimulator& simulator) const {
    return simulator.least_bad().empty() ? LeastBadSeparate(problem, communicator_) : simulator.least_bad();
  }

  Communicator communicator_;
};

const Registration<LayoutPlanner> kDflop{
    {"dflop",
     "DFLOP's optimizer: separate encoder and LLM degrees by its formula of means (arXiv 2603.25120, Alg. 1)",
     {{.name = "communicator",
       .type = Parameter::Other{"hub|direct|object"},
       .help = "how encoders reach the LLM, {\"name\", \"blocking\"} to say whether it blocks; by default a hub"}}},
    [](const Parameters& given) {
      return std::make_unique<DflopLayout>(CommunicatorOr(given.json(), Communicator::kHub));
    }};

}  // namespace
}  // namespace dflop
