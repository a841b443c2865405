// dflop-as-released: the layout rule of DFLOP's released code (BDAI-Research/DFLOP, 2025-10-30), which is not the
// paper's Algorithm 1. It explains the paper's remark that DFLOP picks few, large microbatches (section 5.3.5).
//
//   for encoder GPUs 1, 2, …; all (tp, pp, dp) of the encoder; all of the LLM, nested in this order:
//     drop if 1.25·(state + k·activations) > GPU memory, with the largest sample's tiles·L_dp/E_dp and k = E_pp + L_pp
//       for the encoder, the longest single sample and k = L_pp for the LLM
//     m = the smallest with mean_tiles·GBS/(m·E_dp) ≤ most tiles and mean_tokens·GBS/(m·L_dp) ≤ most tokens of a
//       sample, m·dp ≤ GBS on both sides; if there is none, the last m
//     T = (m + E_pp + L_pp − 1)·max(E_FLOP/(E_thr·E_tp·E_pp), L_FLOP/(L_thr·L_tp·L_pp))
//     accept if T < 1.1·best T and m < best m, and keep both
// A candidate is accepted only with fewer microbatches than the incumbent and may be a tenth slower, so the result
// depends on the order. L_thr = r_lin·thr_lin(pack) + r_att·mean thr_att(sample), r the shares of the FLOPs: an
// arithmetic mean of rates, where times would add.
//
// Guessed or changed: degrees within a side go by rising TP, then PP, at most one stage per layer, TP groups inside a
// node (the code checks neither); "the last m" is the last one that was tried; shares of FLOPs are those of the
// planning sample. FLOPs, state and activations are ours: the code's formulas have slips (query groups, recomputed
// projector) that cancel where a rate is measured with the same formula, and it trains in pure bf16 with 8 bytes per
// parameter, which would not describe the run. The code runs what it picks; here a pick that would not fit at the true
// peak is struck off the list and the rule runs again.
#include <algorithm>

#include "base/error.hpp"
#include "policies/plan_simulator.hpp"
#include "policies/registry.hpp"
#include "policies/released_rule.hpp"

namespace dflop {
namespace {

class DflopAsReleased final : public LayoutPlanner {
 public:
  explicit DflopAsReleased(Communicator communicator) : communicator_(communicator) {}

  LayoutDecision Plan(const PlanningProblem& problem) const override {
    std::vector<ReleasedChoice> choices = Choices(problem);
    if (choices.empty()) {
      throw Infeasible("the released rule's memory estimate admits no layout; the least bad: " +
                       LeastBadSeparate(problem, communicator_));
    }
    PlanSimulator simulator(problem);
    LayoutDecision decision;
    while (!choices.empty()) {
      const std::size_t picked = PickAsReleased(choices);
      const ReleasedChoice& choice = choices[picked];
      const Layout layout = BuildLayout(choice.pair.With(choice.microbatches, communicator_), problem.cost.model(),
                                        problem.cost.cluster());
      Candidate candidate = simulator.Fits(layout);
      candidate.predicted = choice.time;
      decision.candidates.push_back(candidate);
      if (candidate.fits) {
        std::rotate(decision.candidates.begin(), decision.candidates.end() - 1, decision.candidates.end());
        decision.layout = layout;
        decision.predicted = choice.time;
        decision.reason = "the last accepted of " + std::to_string(choices.size()) +
                          " in the released code's order (faster than 1.1 × the incumbent, with fewer microbatches); "
                          "the time is its formula's, not a simulation's";
        return decision;
      }
      choices.erase(choices.begin() + static_cast<std::ptrdiff_t>(picked));
    }
    throw Infeasible("no separate layout of the released rule fits into memory; the least bad: " +
                     simulator.least_bad());
  }

 private:
  static std::vector<ReleasedChoice> Choices(const PlanningProblem& problem) {
    const ReleasedRule rule(problem);
    std::vector<ReleasedChoice> choices;
    for (const SeparatePair& pair : SeparatePairs(problem)) {
      if (!rule.Fits(pair)) continue;
      const int microbatches = rule.Microbatches(pair);
      if (microbatches > 0) choices.push_back({pair, microbatches, rule.StepTime(pair, microbatches)});
    }
    return choices;
  }

  Communicator communicator_;
};

const Registration<LayoutPlanner> kDflopAsReleased{
    {"dflop-as-released",
     "the rule of DFLOP's released code: first within 10 % of the incumbent with fewer microbatches "
     "(BDAI-Research/DFLOP, 2025-10-30)",
     {"communicator"}},
    [](const JsonReader& json) { return std::make_unique<DflopAsReleased>(CommunicatorOr(json, Communicator::kBlockingHub)); }};

}  // namespace
}  // namespace dflop
