// hanayo: every microbatch goes down and up the devices in several waves.
//
// Liu et al., SC 2023 (arXiv 2308.15762): W waves are 2W chunks a device, placed so that the way turns back at either
// end. How the paper orders them is not public, so this order is this file's own: forwards take 1 and backwards 2, and
// whenever a device is free it runs what is ready, backwards first, of the earliest microbatch, else the forward
// deepest in the pipeline. For as many microbatches as devices the idle share is .333, .213 and .119 of the makespan on
// 4 devices with 1, 2 and 4 waves, the paper's formula (2p − 2)/(3pW + p − 1) says .400, .222 and .118: unconfirmed,
// and no number of a claim. At most 2p − 1 microbatches' activations wait on a device in all shapes that were tried.
#include <cstdint>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "base/index.hpp"
#include "policies/api/pipeline_schedule.hpp"
#include "policies/api/registry.hpp"
#include "policies/api/v_placement.hpp"

namespace dflop {
namespace {

constexpr int kMostWaves = 64;

/// A list schedule in whole steps of time.
class WaveRun {
 public:
  explicit WaveRun(const ScheduleProblem& problem)
      : problem_(problem),
        chunk_of_(Index(problem.stages())),
        ready_(Index(problem.devices)),
        free_(Index(problem.devices)),
        orders_(Index(problem.devices)) {
    for (const std::vector<int>& stages : problem.StagesOfDevices()) {
      for (std::size_t chunk = 0; chunk < stages.size(); ++chunk) {
        chunk_of_[Index(stages[chunk])] = static_cast<int>(chunk);
      }
    }
  }

  std::vector<DeviceOrder> Run() {
    for (int k = 0; k < problem_.microbatches; ++k) Arrives(0, OpKind::kForward, 0, k);
    while (!times_.empty()) {
      const std::int64_t now = times_.begin()->first;
      for (const auto& [device, op] : times_.begin()->second) ready_[Index(device)].insert(op);
      times_.erase(times_.begin());
      for (int device = 0; device < problem_.devices; ++device) Start(device, now);
    }
    return std::move(orders_);
  }

 private:
  /// What is smaller goes first: backwards, by microbatch; then forwards, the deepest stage first.
  using Turn = std::tuple<bool, int, int>;  ///< is a forward; microbatch, −stage of a backward, the reverse otherwise

  void Arrives(std::int64_t time, OpKind kind, int stage, int microbatch) {
    const Turn turn = kind == OpKind::kForward ? Turn(true, -stage, microbatch) : Turn(false, microbatch, -stage);
    times_[time].emplace_back(problem_.placement[Index(stage)], turn);
  }

  void Start(int device, std::int64_t now) {
    std::set<Turn>& ready = ready_[Index(device)];
    if (free_[Index(device)] > now || ready.empty()) return;
    const auto [is_forward, first, second] = *ready.begin();
    ready.erase(ready.begin());
    const int stage = is_forward ? -first : -second, microbatch = is_forward ? second : first;
    const OpKind kind = is_forward ? OpKind::kForward : OpKind::kBackward;
    orders_[Index(device)].push_back({kind, microbatch, chunk_of_[Index(stage)]});
    const std::int64_t end = now + (is_forward ? 1 : 2);
    free_[Index(device)] = end;
    times_[end];  // the device is asked again
    if (is_forward && !problem_.IsLast(stage)) return Arrives(end, OpKind::kForward, stage + 1, microbatch);
    if (is_forward) return Arrives(end, OpKind::kBackward, stage, microbatch);
    if (stage > 0) Arrives(end, OpKind::kBackward, stage - 1, microbatch);
  }

  const ScheduleProblem& problem_;
  std::vector<int> chunk_of_;                                        ///< [stage]
  std::map<std::int64_t, std::vector<std::pair<int, Turn>>> times_;  ///< what arrives on which device
  std::vector<std::set<Turn>> ready_;                                ///< [device]
  std::vector<std::int64_t> free_;                                   ///< [device]: from when on
  std::vector<DeviceOrder> orders_;
};

class Hanayo final : public PipelineSchedule {
 public:
  explicit Hanayo(int waves) : waves_(waves) {}

  int chunks() const override { return 2 * waves_; }
  Placement placement(int devices) const override { return InWaves(devices, chunks()); }
  std::vector<DeviceOrder> Orders(const ScheduleProblem& problem) const override { return WaveRun(problem).Run(); }

 private:
  int waves_;
};

const Registration<PipelineSchedule> kHanayo{
    {"hanayo",
     "down and up the devices in several waves (after arXiv 2308.15762, the order is a guess: unconfirmed)",
     {{.name = "waves", .type = Parameter::Integer{1, kMostWaves}, .standard = 2, .help = "two chunks a device each"}}},
    [](const Parameters& given) { return std::make_unique<Hanayo>(static_cast<int>(given.Int("waves"))); }};

}  // namespace
}  // namespace dflop
