// Whether the orders of a pipeline's devices are whole, keep to the memory and can end, by running them without times.
#include <algorithm>
#include <array>

#include "base/index.hpp"
#include "base/text.hpp"
#include "policies/api/checked_plugins.hpp"
#include "sim/graph/op_kind.hpp"
#include "sim/measure/timeline.hpp"

namespace dflop {
namespace {

constexpr std::array<OpKind, 4> kKinds = {OpKind::kForward, OpKind::kBackward, OpKind::kBackwardInput,
                                          OpKind::kBackwardWeight};

class OrderCheck {
 public:
  OrderCheck(const std::vector<DeviceOrder>& orders, const ScheduleProblem& problem)
      : orders_(orders),
        problem_(problem),
        stages_(problem.StagesOfDevices()),
        devices_(problem.devices),
        chunks_(problem.chunks + problem.encoders),
        units_(problem.units()),
        done_(kKinds.size() * Index(devices_ * chunks_) * Index(problem.units())) {
    // An encoder's share on a device is a stage of its own, numbered behind those of the pipeline.
    for (int share = 0; share < devices_ * problem.encoders; ++share) {
      stages_[Index(share / problem.encoders)].push_back(problem.stages() + share);
    }
  }

  std::string Why() {
    if (static_cast<int>(orders_.size()) != devices_) return "orders " + std::to_string(orders_.size()) + " devices";
    for (int device = 0; device < devices_; ++device) {
      if (std::string why = WhyNotWhole(device); !why.empty()) return why;
      if (std::string why = WhyNoPair(device); !why.empty()) return why;
      if (std::string why = WhyTooLarge(device); !why.empty()) return why;
    }
    return WhyStuck();
  }

 private:
  std::size_t Cell(OpKind kind, int stage, int unit) const {
    return (static_cast<std::size_t>(kind) * Index(devices_ * chunks_) + Index(stage)) * Index(units_) + Index(unit);
  }
  std::string Name(const ScheduledOp& op, int device) const {
    const std::string part = problem_.encoders > 0 && problem_.IsEncoder(op)
                                 ? ", encoder " + std::to_string(op.chunk - problem_.chunks)
                                 : ", chunk " + std::to_string(op.chunk);
    return std::string(KindName(op.kind)) + " of microbatch " + std::to_string(op.microbatch) +
           (problem_.splits > 1 ? ", split " + std::to_string(op.split) : "") + part + ", on device " +
           std::to_string(device);
  }
  bool Exists(const ScheduledOp& op, int device) const {
    return op.chunk >= 0 && op.chunk < chunks_ && op.microbatch >= 0 && op.microbatch < problem_.microbatches &&
           op.split >= 0 && op.split < problem_.splits &&
           (problem_.IsEncoder(op) || problem_.Visits(op.microbatch, stages_[Index(device)][Index(op.chunk)]));
  }

  std::string WhyNotWhole(int device) const {
    const DeviceOrder& order = orders_[Index(device)];
    const std::size_t places = Index(chunks_) * Index(units_);
    std::array<std::vector<char>, kKinds.size()> seen;
    for (auto& kind : seen) kind.resize(places);
    for (const ScheduledOp& op : order) {
      if (!IsComputation(op.kind)) return "no computation is " + Name(op, device);
      if (!Exists(op, device)) return "there is no " + Name(op, device);
      char& cell = seen[static_cast<std::size_t>(op.kind)][Index(op.chunk * units_ + problem_.UnitOf(op))];
      if (cell != 0) return "a second time runs " + Name(op, device);
      cell = 1;
    }
    for (int place = 0; place < static_cast<int>(places); ++place) {
      const int unit = place % units_;
      const ScheduledOp here{OpKind::kForward, unit / problem_.splits, place / units_, unit % problem_.splits};
      if (!Exists(here, device)) continue;
      const auto runs = [&](OpKind kind) { return seen[static_cast<std::size_t>(kind)][Index(place)] != 0; };
      const auto named = [&](OpKind kind) { return Name({kind, here.microbatch, here.chunk, here.split}, device); };
      const bool split = runs(OpKind::kBackwardInput) || runs(OpKind::kBackwardWeight);
      if (split && runs(OpKind::kBackward)) return "a second time runs " + named(OpKind::kBackward);
      for (const OpKind kind : kKinds) {
        const bool wanted = kind == OpKind::kForward || (kind == OpKind::kBackward) != split;
        if (wanted && !runs(kind)) return "never runs " + named(kind);
      }
    }
    return "";
  }

  std::string WhyNoPair(int device) const {
    const DeviceOrder& order = orders_[Index(device)];
    for (std::size_t place = 0; place < order.size(); ++place) {
      const ScheduledOp& op = order[place];
      if (op.pair == 0) continue;
      const bool both = op.kind == OpKind::kForward && place + 1 < order.size() && order[place + 1].pair == 0 &&
                        GivesInputGradient(order[place + 1].kind);
      if (!both) return "pairs with no backward behind it the " + Name(op, device);
      if (op.pair > 0 && op.pair <= 1) continue;
      return "lets a pair take " + Format("%g", op.pair) +
             " of its time, a share above 0 and up to 1 is wanted: " + Name(op, device);
    }
    return "";
  }

  std::string WhyTooLarge(int device) const {
    double held = 0;
    for (const ScheduledOp& op : orders_[Index(device)]) {
      if (problem_.IsEncoder(op)) continue;
      const double of_stage = problem_.Held(stages_[Index(device)][Index(op.chunk)]) / problem_.splits;
      if (op.kind == OpKind::kForward) held += of_stage;
      if (held > problem_.memory_limit * (1 + 1e-12)) {  // sums round
        return "holds " + Format("%g", held) + " on device " + std::to_string(device) + ", the limit is " +
               Format("%g", problem_.memory_limit) + ": " + Format("%g", held - problem_.memory_limit) +
               " too much with " + Name(op, device);
      }
      if (op.kind == OpKind::kBackwardInput) held -= of_stage * (1 - problem_.weight_share);
      if (op.kind == OpKind::kBackwardWeight) held -= of_stage * problem_.weight_share;
      if (op.kind == OpKind::kBackward) held -= of_stage;
    }
    return "";
  }

  bool Ran(int unit, int stage) const { return done_[Cell(OpKind::kForward, stage, unit)] != 0; }
  bool GaveGradient(int unit, int stage) const {
    return done_[Cell(OpKind::kBackward, stage, unit)] != 0 || done_[Cell(OpKind::kBackwardInput, stage, unit)] != 0;
  }

  bool IsShare(int stage) const { return stage >= problem_.stages(); }
  /// The first share of a microbatch that is not encoded; −1: none.
  int UnencodedShare(int unit) const {
    for (int stage = problem_.stages(); stage < devices_ * chunks_; ++stage) {
      if (!Ran(unit, stage)) return stage;
    }
    return -1;
  }

  bool Ready(const ScheduledOp& op, int stage) const {
    const int unit = problem_.UnitOf(op);
    if (op.kind == OpKind::kForward) {
      return (op.split == 0 || Ran(unit - 1, stage)) &&
             (IsShare(stage) || (problem_.IsFirst(stage) ? UnencodedShare(unit) < 0 : Ran(unit, stage - 1)));
    }
    if (op.kind == OpKind::kBackwardWeight) return done_[Cell(OpKind::kBackwardInput, stage, unit)] != 0;
    if (IsShare(stage)) return Ran(unit, stage) && GaveGradient(unit, 0);
    const bool last_split = op.split + 1 == problem_.splits;
    return Ran(unit, stage) && (last_split || GaveGradient(unit + 1, stage)) &&
           (problem_.IsLast(stage) || GaveGradient(unit, stage + 1));
  }

  /// How many entries ran: none where they wait, both of a pair.
  std::size_t Run(int device, std::size_t at) {
    const DeviceOrder& order = orders_[Index(device)];
    const std::size_t behind = at + (order[at].pair > 0 ? 2 : 1);
    for (std::size_t i = at; i < behind; ++i) {
      if (!Ready(order[i], stages_[Index(device)][Index(order[i].chunk)])) return 0;
    }
    for (std::size_t i = at; i < behind; ++i) {
      done_[Cell(order[i].kind, stages_[Index(device)][Index(order[i].chunk)], problem_.UnitOf(order[i]))] = 1;
    }
    return behind - at;
  }

  std::string WhyStuck() {
    std::vector<std::size_t> next(orders_.size());
    for (bool moved = true; moved;) {
      moved = false;
      for (int device = 0; device < devices_; ++device) {
        std::size_t& at = next[Index(device)];
        while (at < orders_[Index(device)].size()) {
          const std::size_t ran = Run(device, at);
          if (ran == 0) break;
          at += ran;
          moved = true;
        }
      }
    }
    for (int device = 0; device < devices_; ++device) {
      if (next[Index(device)] < orders_[Index(device)].size()) return Circle(next, device);
    }
    return "";
  }

  /// An operation that an unfinished one waits for, and where it would run.
  struct Awaited {
    ScheduledOp op;
    int device;
  };
  Awaited AwaitedBy(const ScheduledOp& op, int device) const {
    const int stage = stages_[Index(device)][Index(op.chunk)];
    const int unit = problem_.UnitOf(op);
    if (op.kind == OpKind::kForward) {
      if (op.split > 0 && !Ran(unit - 1, stage)) return At(OpKind::kForward, stage, unit - 1);
      return At(OpKind::kForward, problem_.IsFirst(stage) ? UnencodedShare(unit) : stage - 1, unit);
    }
    if (op.kind == OpKind::kBackwardWeight) return At(OpKind::kBackwardInput, stage, unit);
    if (!Ran(unit, stage)) return At(OpKind::kForward, stage, unit);
    if (IsShare(stage)) return At(OpKind::kBackwardInput, 0, unit);
    const bool waits_here = op.split + 1 < problem_.splits && !GaveGradient(unit + 1, stage);
    return waits_here ? At(OpKind::kBackwardInput, stage, unit + 1) : At(OpKind::kBackwardInput, stage + 1, unit);
  }
  /// A whole backward where the stage runs no half.
  Awaited At(OpKind kind, int stage, int unit) const {
    const int device =
        IsShare(stage) ? (stage - problem_.stages()) / problem_.encoders : problem_.placement[Index(stage)];
    const std::vector<int>& chunks = stages_[Index(device)];
    ScheduledOp op{kind, unit / problem_.splits,
                   static_cast<int>(std::find(chunks.begin(), chunks.end(), stage) - chunks.begin()),
                   unit % problem_.splits};
    const DeviceOrder& order = orders_[Index(device)];
    const bool runs = std::any_of(order.begin(), order.end(), [&](const ScheduledOp& one) { return IsSame(one, op); });
    if (!runs) op.kind = OpKind::kBackward;
    return {op, device};
  }
  /// Whether or not it begins a pair.
  static bool IsSame(const ScheduledOp& a, const ScheduledOp& b) {
    return a.kind == b.kind && a.microbatch == b.microbatch && a.chunk == b.chunk && a.split == b.split;
  }

  /// What holds a device up: of a pair the half that is not ready.
  const ScheduledOp& Waiting(int device, std::size_t at) const {
    const ScheduledOp& first = orders_[Index(device)][at];
    if (first.pair == 0 || !Ready(first, stages_[Index(device)][Index(first.chunk)])) return first;
    return orders_[Index(device)][at + 1];
  }
  /// Whether an operation is what the device would run next, or the other half of that pair.
  bool IsNext(const ScheduledOp& op, int device, std::size_t at) const {
    const ScheduledOp& first = orders_[Index(device)][at];
    return IsSame(first, op) || (first.pair > 0 && IsSame(orders_[Index(device)][at + 1], op));
  }

  /// Every device that is stuck waits for one that is: following them comes back somewhere.
  std::string Circle(const std::vector<std::size_t>& next, int device) const {
    std::vector<int> met;
    const auto waiting = [&](int d) -> const ScheduledOp& { return Waiting(d, next[Index(d)]); };
    while (std::find(met.begin(), met.end(), device) == met.end()) {
      met.push_back(device);
      device = AwaitedBy(waiting(device), device).device;
    }
    met.erase(met.begin(), std::find(met.begin(), met.end(), device));
    std::string text = "deadlock, waits for ever: " + Name(waiting(device), device);
    for (const int stuck : met) {
      const Awaited awaited = AwaitedBy(waiting(stuck), stuck);
      text += " → " + Name(awaited.op, awaited.device);
      if (IsNext(awaited.op, awaited.device, next[Index(awaited.device)])) continue;
      text += ", which stands behind " + Name(waiting(awaited.device), awaited.device);
    }
    return text;
  }

  const std::vector<DeviceOrder>& orders_;
  const ScheduleProblem& problem_;
  std::vector<std::vector<int>> stages_;  ///< [device][chunk]
  int devices_;
  int chunks_;
  int units_;
  std::vector<char> done_;  ///< by kind, stage, unit
};

}  // namespace

std::string WhyPlacementFails(const Placement& placement, int devices, int chunks) {
  if (static_cast<int>(placement.size()) != devices * chunks) {
    return "places " + std::to_string(placement.size()) + " stages, " + std::to_string(devices) + " devices have " +
           std::to_string(devices * chunks);
  }
  std::vector<int> held(Index(devices));
  int met = 0;
  for (const int device : placement) {
    if (device < 0 || device > met || device >= devices) {
      return "names device " + std::to_string(device) + " where a microbatch has met " + std::to_string(met) + " of " +
             std::to_string(devices);
    }
    met = std::max(met, device + 1);
    if (++held[Index(device)] > chunks) return "gives device " + std::to_string(device) + " too many stages";
  }
  return "";
}

std::string WhyOrdersFail(const std::vector<DeviceOrder>& orders, const ScheduleProblem& problem) {
  return OrderCheck(orders, problem).Why();
}

}  // namespace dflop
