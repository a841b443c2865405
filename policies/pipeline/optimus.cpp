// optimus: the work of encoders that are spread over the LLM's devices, in the bubbles of the LLM's pipeline.
//
// Feng et al., ATC 2025 (arXiv 2408.03505): encoder and LLM on all devices, each with a plan of its own, the encoder's
// forwards before and its backwards behind the LLM's pipeline and in its gaps, encoder before LLM for every microbatch.
// The paper's: where work may go, and that it goes there greedily. Guesses: the earliest deadline first, operations
// whole (policies/pipeline_search/encoder_bubbles.hpp), and that of a handful of drafts the one is taken whose
// predicted step is shortest: forwards in bubbles, in step with the LLM's or all before it, backwards likewise; of
// those within a thousandth of it the one that holds the encoders' activations for the shortest time. All before and
// behind is what the layout does by itself, so no answer is predicted to take longer. Where times are unknown it is the
// answer.
//
// The prediction knows neither messages that block nor samples that are encoded in earlier microbatches than they run
// (policies/batching/entrain.cpp); where its answer would deadlock for one of these, all is done before and behind.
// All replicas run one order, as slow as the slowest: each of them wants what the others encode. What encoders hold is
// not counted against a limit; they hold no more than all at once, as without this schedule.
#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "policies/api/checked_plugins.hpp"
#include "policies/api/infeasible.hpp"
#include "policies/api/pipeline_schedule.hpp"
#include "policies/api/registry.hpp"
#include "policies/pipeline_search/encoder_bubbles.hpp"
#include "policies/pipeline_search/late_times.hpp"

namespace dflop {
namespace {

constexpr const char* kBase = "1f1b";
/// Drafts that take so little more than the shortest are taken for as short, and the one that holds least runs.
constexpr double kAsShort = 1e-3;

/// The shortest of several drafts, each of them looked at before it is run.
class EncoderDrafts {
 public:
  EncoderDrafts(const ScheduleProblem& problem, std::vector<DeviceOrder> llm)
      : problem_(problem),
        llm_(std::move(llm)),
        turns_(TurnsOf(llm_.front())),
        before_(EncodedBefore(llm_, problem.microbatches)),
        behind_(EncodedBehind(llm_, problem.microbatches)) {}

  std::vector<DeviceOrder> Plain() const { return WithEncoders(llm_, problem_, turns_, before_, behind_); }

  /// Those that hold least come first, what the layout does by itself last.
  std::vector<DeviceOrder> Shortest(std::string& note) {
    ScheduleProblem alone = problem_;
    alone.encoders = 0;
    TimedOrders run = RunOrders(llm_, alone);
    if (!HasPairs()) run = AsLateAsPossible(std::move(run), alone);  // slack lies where forwards can use it
    Try(ForwardsInBubbles(run, problem_, turns_, true), "late in bubbles");
    Try(ForwardsInBubbles(run, problem_, turns_, false), "early in bubbles");
    Try(ForwardsInStep(llm_, turns_, problem_.devices), "in step");
    Try(before_, "before");
    const Seconds plain = drafts_.back().makespan;
    const auto shorter = [](const Draft& a, const Draft& b) { return a.makespan < b.makespan; };
    const Seconds least = std::min_element(drafts_.begin(), drafts_.end(), shorter)->makespan;
    Draft& best = *std::find_if(drafts_.begin(), drafts_.end(), [&](const Draft& draft) {
      return draft.makespan <= std::min(plain, least * (1 + kAsShort));
    });
    note = "optimus: " + best.where;
    return std::move(best.orders);
  }

 private:
  struct Draft {
    std::vector<DeviceOrder> orders;
    Seconds makespan{0};
    std::string where;
  };

  bool HasPairs() const {
    return std::any_of(llm_.begin(), llm_.end(), [](const DeviceOrder& order) {
      return std::any_of(order.begin(), order.end(), [](const ScheduledOp& op) { return op.pair > 0; });
    });
  }
  void Try(const EncoderPlaces& forwards, const std::string& where) {
    const std::vector<DeviceOrder> draft = WithEncoders(llm_, problem_, turns_, forwards, behind_);
    if (!WhyOrdersFail(draft, problem_).empty()) return;
    const TimedOrders run = RunOrders(draft, problem_);
    TryBoth(forwards, BackwardsInBubbles(run, problem_, turns_, true), where + ", backwards early in bubbles");
    TryBoth(forwards, BackwardsInBubbles(run, problem_, turns_, false), where + ", backwards late in bubbles");
    TryBoth(forwards, BackwardsInStep(llm_, turns_, problem_.devices), where + ", backwards in step");
    TryBoth(forwards, behind_, where + ", backwards behind");
  }
  void TryBoth(const EncoderPlaces& forwards, const EncoderPlaces& backwards, const std::string& where) {
    std::vector<DeviceOrder> orders = WithEncoders(llm_, problem_, turns_, forwards, backwards);
    if (!WhyOrdersFail(orders, problem_).empty()) return;
    const Seconds makespan = RunOrders(orders, problem_).makespan;
    drafts_.push_back({std::move(orders), makespan, "forwards " + where});
  }

  const ScheduleProblem& problem_;
  std::vector<DeviceOrder> llm_;
  EncoderTurns turns_;
  EncoderPlaces before_;
  EncoderPlaces behind_;
  std::vector<Draft> drafts_;
};

class Optimus final : public PipelineSchedule {
 public:
  explicit Optimus(std::unique_ptr<PipelineSchedule> base) : base_(std::move(base)) {}

  bool per_step() const override { return true; }
  bool places_encoders() const override { return true; }
  std::string note() const override { return note_; }

  std::vector<DeviceOrder> Orders(const ScheduleProblem& problem) const override {
    if (problem.encoders == 0) {
      throw Infeasible(
          "the schedule places encoders that are spread over the LLM's devices, and here is none: a `fixed` layout "
          "spreads one with {\"tp\", \"spread\": true}, expected-makespan where \"spread_encoders\" is true");
    }
    ScheduleProblem alone = problem;
    alone.encoders = 0;
    alone.encoder_times.clear();
    alone.encoder_transfers.clear();
    EncoderDrafts drafts(problem, base_->Orders(alone));
    note_.clear();
    return problem.encoder_times.empty() ? drafts.Plain() : drafts.Shortest(note_);
  }

 private:
  std::unique_ptr<PipelineSchedule> base_;
  mutable std::string note_;
};

std::unique_ptr<PipelineSchedule> ReadBase(const JsonReader& spec) {
  auto base = Registry<PipelineSchedule>::Instance().Make(spec);
  if (base->places_encoders()) spec.Fail("places encoders itself");
  if (base->chunks() == 1 && base->directions() == 1 && base->splits() == 1) return base;
  spec.Fail("has several chunks, directions or splits; an LLM whose encoders are spread has one stage on every device");
}

const Registration<PipelineSchedule> kOptimus{
    {"optimus",
     "spread encoders in the bubbles of the LLM's pipeline (Optimus, arXiv 2408.03505); never longer than without, "
     "where "
     "messages do not block",
     {{.name = "base",
       .type = Parameter::Other{"schedule"},
       .help = "of the LLM, a name or an object with parameters, one chunk per device; not given: 1f1b"}}},
    [](const Parameters& given) {
      static const Json kStandard(kBase);
      const std::optional<JsonReader> base = given.Find("base");
      return std::make_unique<Optimus>(ReadBase(base ? *base : JsonReader(kStandard, "optimus")));
    }};

}  // namespace
}  // namespace dflop
