// dflop-as-released: the layout rule of DFLOP's released code (BDAI-Research/DFLOP, 2025-10-30), which is not the
// paper's Algorithm 1. It explains the paper's remark that DFLOP picks few, large microbatches (section 5.3.5). The
// rule stands in released_rule.hpp and is held against plans that the released script itself chose.
//
// It decides from what its profiler would measure if our costs were the machine (models/release_measurement.hpp), or
// from the files of a real profile ("profile": the folder; its samples replace the planning sample).
// "tp1_without_recompute": its profiler forgets recomputation with one rank, which makes TP 1 faster and hungrier than
// it is.
//
// As released means as released: what the rule picks is what runs. It knows neither layers nor the true peak, so that
//   - a pick that no machine can run (more stages than layers, a TP group across nodes, fewer samples than
//   microbatches)
//     is infeasible, and says what was picked,
//   - a pick that overflows memory runs all the same and the result says that it does not fit, as with `fixed` layouts
//     and not as with planners, which drop what does not fit: this rule has dropped what it thinks does not,
//   - a rule that finds nothing, where the script ends with an error, is infeasible.
// Ours beside the script: it trains in pure bf16 with 8 bytes per parameter; here the state measured is the job's own.
#include <optional>

#include "base/error.hpp"
#include "models/release_measurement.hpp"
#include "models/release_names.hpp"
#include "policies/api/registry.hpp"
#include "policies/layout_search/plan_simulator.hpp"
#include "policies/layout_search/released_rule.hpp"
#include "policies/layout_search/separate_layouts.hpp"

namespace dflop {
namespace {

constexpr double kGibibyte = 1024.0 * 1024 * 1024;

std::string PlanText(const ReleasedPlan& plan) {
  return (plan.encoder ? "encoder " + DegreesText(*plan.encoder) + "; " : "") + "LLM " + DegreesText(plan.llm) + "; " +
         std::to_string(plan.microbatches) + " microbatches";
}

class DflopAsReleased final : public LayoutPlanner {
 public:
  explicit DflopAsReleased(const Parameters& given)
      : communicator_(CommunicatorOr(given.json(), Communicator::kBlockingHub)),
        profile_(given.Given("profile") ? given.Find("profile")->String() : ""),
        file_(given.json().file()),
        pointer_(given.json().pointer() + "/profile"),
        tp1_without_recompute_(given.Flag("tp1_without_recompute")) {
    if (given.Given("profile") && given.Given("tp1_without_recompute")) {
      given.Find("tp1_without_recompute")->Fail("has no effect beside a profile, which was measured as it was");
    }
  }

  LayoutDecision Plan(const PlanningProblem& problem) const override {
    const ModelSpec& model = problem.cost.model();
    if (model.encoders.size() > 1) throw Infeasible("the released optimizer knows one encoder, the model has more");
    const ReleasedInputs inputs{model, Profile(problem), problem.cost.cluster().gpus(),
                                problem.cost.cluster().smallest_memory().value() / kGibibyte,
                                problem.global_batch_size};
    const auto [plan, why_none] = PlanAsReleased(inputs);
    if (!plan) throw Infeasible("the released rule ends without a layout: " + why_none);
    CheckPossible(*plan, problem);
    LayoutDecision decision;
    decision.layout = BuildLayout(DegreesOf(*plan), model, problem.cost.cluster());
    Candidate candidate = PlanSimulator(problem).Fits(decision.layout);
    candidate.predicted = decision.predicted = plan->time;
    decision.reason = "the last accepted of the " + std::to_string(plan->admitted) +
                      " layouts that the released code's memory rule admits, in its order (faster than 1.1 × the "
                      "incumbent, with fewer microbatches); the time is its formula's, not a simulation's" +
                      (candidate.fits ? "" : "; it runs though it " + candidate.note);
    decision.candidates = {candidate};
    return decision;
  }

 private:
  ReleaseProfile Profile(const PlanningProblem& problem) const {
    if (profile_.empty()) return MeasureAsReleased(problem.cost, problem.samples, tp1_without_recompute_);
    const Json folder(profile_);
    const JsonReader place(folder, file_, pointer_);
    if (problem.cost.model().encoders.empty()) place.Fail("is of a model with an encoder, this one has none");
    return ReadReleaseProfile(place, ReleaseNamesOf(problem.cost.model()));
  }

  SeparateDegrees DegreesOf(const ReleasedPlan& plan) const {
    return SeparatePair{plan.encoder, plan.llm}.With(plan.microbatches, communicator_);
  }

  void CheckPossible(const ReleasedPlan& plan, const PlanningProblem& problem) const {
    std::string why = WhyImpossible(DegreesOf(plan), problem.cost.model(), problem.cost.cluster());
    const std::int64_t buckets = std::int64_t{plan.microbatches} * plan.llm.dp;
    if (why.empty() && buckets > problem.global_batch_size) {
      why = "makes " + std::to_string(buckets) + " microbatches of " + std::to_string(problem.global_batch_size) +
            " samples";
    }
    if (!why.empty()) throw Infeasible("the released rule picks " + PlanText(plan) + ", which cannot run: " + why);
  }

  Communicator communicator_;
  std::string profile_;  ///< a folder; "" = our costs
  std::string file_;     ///< where the experiment names it
  std::string pointer_;
  bool tp1_without_recompute_;
};

const Registration<LayoutPlanner> kDflopAsReleased{
    {"dflop-as-released",
     "the rule of DFLOP's released code, from our costs or its profiler's files: first within 10 % of the incumbent "
     "with fewer microbatches (BDAI-Research/DFLOP, 2025-10-30)",
     {{.name = "communicator",
       .type = Parameter::Other{"hub|direct|object"},
       .help = "how encoders reach the LLM, {\"name\", \"blocking\"} to say whether it blocks; by default a hub that "
               "blocks"},
      {.name = "profile",
       .type = Parameter::Other{"folder"},
       .help = "curves in the release's format to plan from, instead of our costs"},
      {.name = "tp1_without_recompute",
       .type = Parameter::Flag{},
       .standard = false,
       .help = "curves of TP 1 without recompute, as its profiler leaves them"}}},
    [](const Parameters& given) { return std::make_unique<DflopAsReleased>(given); }};

}  // namespace
}  // namespace dflop
