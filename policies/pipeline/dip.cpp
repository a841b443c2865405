// dip: segments of every modality over all devices, in an order that is searched for the batch at hand.
//
// DIP (PipeWeaver, ASPLOS 2026, arXiv 2504.14145): every modality is a pipeline over all devices, and a microbatch
// passes them one after the other; a tree search orders the segments, devices fill themselves from a queue of forwards
// and one of backwards under a memory limit. Here a segment is a chunk of every device, so that a uniform layout with
// as many encoder stages as devices and two chunks is the paper's split; with other layouts it orders chunks as they
// are. What the search is guessed to do stands in policies/pipeline_search/segment_search.hpp. Not built: microbatches
// that are divided by modality, and recomputation chosen per segment. An interleaved pipeline's order is a candidate
// wherever it exists and keeps the limit: no answer is longer.
#include <optional>
#include <utility>

#include "policies/api/pipeline_schedule.hpp"
#include "policies/api/registry.hpp"
#include "policies/pipeline_search/schedule_memory.hpp"
#include "policies/pipeline_search/segment_search.hpp"

namespace dflop {
namespace {

constexpr int kSegmentEvaluations = 400;
constexpr int kMostSegmentEvaluations = 100'000'000;

std::unique_ptr<PipelineSchedule> InterleavedOf(int chunks) {
  Json spec;
  spec["name"] = "interleaved";
  spec["chunks"] = chunks;
  return Registry<PipelineSchedule>::Instance().Make(JsonReader(spec, "dip"));
}

class Dip final : public PipelineSchedule {
 public:
  Dip(int chunks, std::optional<double> memory, int evaluations)
      : chunks_(chunks), memory_(memory), evaluations_(evaluations), interleaved_(InterleavedOf(chunks)) {}

  int chunks() const override { return chunks_; }
  bool per_step() const override { return true; }

  std::vector<DeviceOrder> Orders(const ScheduleProblem& problem) const override {
    const double limit = LimitOf(problem, memory_);
    std::vector<DeviceOrder> listed = ListOrders(problem, BestSegmentRule(problem, limit, evaluations_), limit).orders;
    if (problem.microbatches % problem.devices != 0) return listed;
    std::vector<DeviceOrder> interleaved = interleaved_->Orders(problem);
    const TimedOrders run = RunOrders(interleaved, problem);
    const bool keeps = Excess(run, limit) == 0;
    return keeps && run.makespan <= RunOrders(listed, problem).makespan ? interleaved : listed;
  }

 private:
  int chunks_;
  std::optional<double> memory_;
  int evaluations_;
  std::unique_ptr<PipelineSchedule> interleaved_;
};

const Registration<PipelineSchedule> kDip{
    {"dip",
     "segments of every modality over all devices, ordered per step by a tree search (DIP/PipeWeaver, arXiv "
     "2504.14145)",
     {{.name = "chunks",
       .type = Parameter::Integer{2, 128},
       .standard = 2,
       .help = "segments of a microbatch; with 2 and as many encoder stages as devices one for each modality"},
      MemoryParameter(),
      {.name = "evaluations",
       .type = Parameter::Integer{0, kMostSegmentEvaluations},
       .standard = kSegmentEvaluations,
       .unit = "schedules",
       .help = "of the search over the order of segments, fewer in large pipelines"}}},
    [](const Parameters& given) {
      return std::make_unique<Dip>(static_cast<int>(given.Int("chunks")), MemoryOf(given),
                                   static_cast<int>(given.Int("evaluations")));
    }};

}  // namespace
}  // namespace dflop
