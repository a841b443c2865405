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
        chunks_(problem.chunks),
        microbatches_(problem.microbatches),
        done_(kKinds.size() * Index(problem.stages()) * Index(problem.microbatches)) {}

  std::string Why() {
    if (static_cast<int>(orders_.size()) != devices_) return "orders " + std::to_string(orders_.size()) + " devices";
    for (int device = 0; device < devices_; ++device) {
      if (std::string why = WhyNotWhole(device); !why.empty()) return why;
      if (std::string why = WhyTooLarge(device); !why.empty()) return why;
    }
    return WhyStuck();
  }

 private:
  std::size_t Cell(OpKind kind, int stage, int microbatch) const {
    return (static_cast<std::size_t>(kind) * Index(devices_ * chunks_) + Index(stage)) * Index(microbatches_) +
           Index(microbatch);
  }
  static std::string Name(const ScheduledOp& op, int device) {
    return std::string(KindName(op.kind)) + " of microbatch " + std::to_string(op.microbatch) + ", chunk " +
           std::to_string(op.chunk) + ", on device " + std::to_string(device);
  }

  std::string WhyNotWhole(int device) const {
    const DeviceOrder& order = orders_[Index(device)];
    const std::size_t pairs = Index(chunks_) * Index(microbatches_);
    std::array<std::vector<char>, kKinds.size()> seen;
    for (auto& kind : seen) kind.resize(pairs);
    for (const ScheduledOp& op : order) {
      if (!IsComputation(op.kind)) return "no computation is " + Name(op, device);
      if (op.chunk < 0 || op.chunk >= chunks_ || op.microbatch < 0 || op.microbatch >= microbatches_) {
        return "there is no " + Name(op, device);
      }
      char& cell =
          seen[static_cast<std::size_t>(op.kind)][Index(op.chunk) * Index(microbatches_) + Index(op.microbatch)];
      if (cell != 0) return "a second time runs " + Name(op, device);
      cell = 1;
    }
    for (int place = 0; place < static_cast<int>(pairs); ++place) {
      const auto runs = [&](OpKind kind) { return seen[static_cast<std::size_t>(kind)][Index(place)] != 0; };
      const auto named = [&](OpKind kind) {
        return Name({kind, place % microbatches_, place / microbatches_}, device);
      };
      const bool split = runs(OpKind::kBackwardInput) || runs(OpKind::kBackwardWeight);
      if (split && runs(OpKind::kBackward)) return "a second time runs " + named(OpKind::kBackward);
      for (const OpKind kind : kKinds) {
        const bool wanted = kind == OpKind::kForward || (kind == OpKind::kBackward) != split;
        if (wanted && !runs(kind)) return "never runs " + named(kind);
      }
    }
    return "";
  }

  std::string WhyTooLarge(int device) const {
    double held = 0;
    for (const ScheduledOp& op : orders_[Index(device)]) {
      const double of_stage = problem_.Held(stages_[Index(device)][Index(op.chunk)]);
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

  bool Ready(const ScheduledOp& op, int stage) const {
    const auto ended = [&](OpKind kind, int at) { return done_[Cell(kind, at, op.microbatch)] != 0; };
    if (op.kind == OpKind::kForward) return stage == 0 || ended(OpKind::kForward, stage - 1);
    const auto gave_gradient = [&](int at) {
      return ended(OpKind::kBackward, at) || ended(OpKind::kBackwardInput, at);
    };
    if (op.kind == OpKind::kBackwardWeight) return ended(OpKind::kBackwardInput, stage);
    const bool last = stage + 1 == devices_ * chunks_;
    return ended(OpKind::kForward, stage) && (last || gave_gradient(stage + 1));
  }

  std::string WhyStuck() {
    std::vector<std::size_t> next(orders_.size());
    for (bool moved = true; moved;) {
      moved = false;
      for (int device = 0; device < devices_; ++device) {
        const DeviceOrder& order = orders_[Index(device)];
        for (std::size_t& at = next[Index(device)]; at < order.size(); ++at, moved = true) {
          const int stage = stages_[Index(device)][Index(order[at].chunk)];
          if (!Ready(order[at], stage)) break;
          done_[Cell(order[at].kind, stage, order[at].microbatch)] = 1;
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
    if (op.kind == OpKind::kForward) return At(OpKind::kForward, stage - 1, op.microbatch);
    if (op.kind == OpKind::kBackwardWeight) return At(OpKind::kBackwardInput, stage, op.microbatch);
    if (done_[Cell(OpKind::kForward, stage, op.microbatch)] == 0) return At(OpKind::kForward, stage, op.microbatch);
    return At(OpKind::kBackwardInput, stage + 1, op.microbatch);
  }
  /// A whole backward where the stage runs no half.
  Awaited At(OpKind kind, int stage, int microbatch) const {
    const int device = problem_.placement[Index(stage)];
    const std::vector<int>& chunks = stages_[Index(device)];
    ScheduledOp op{kind, microbatch, static_cast<int>(std::find(chunks.begin(), chunks.end(), stage) - chunks.begin())};
    const DeviceOrder& order = orders_[Index(device)];
    if (std::find(order.begin(), order.end(), op) == order.end()) op.kind = OpKind::kBackward;
    return {op, device};
  }

  /// Every device that is stuck waits for one that is: following them comes back somewhere.
  std::string Circle(const std::vector<std::size_t>& next, int device) const {
    std::vector<int> met;
    const auto next_op = [&](int d) { return orders_[Index(d)][next[Index(d)]]; };
    while (std::find(met.begin(), met.end(), device) == met.end()) {
      met.push_back(device);
      device = AwaitedBy(next_op(device), device).device;
    }
    met.erase(met.begin(), std::find(met.begin(), met.end(), device));
    std::string text = "deadlock, waits for ever: " + Name(next_op(device), device);
    for (std::size_t i = 0; i < met.size(); ++i) {
      const Awaited awaited = AwaitedBy(next_op(met[i]), met[i]);
      text += " → " + Name(awaited.op, awaited.device);
      const ScheduledOp before = next_op(awaited.device);
      if (!(before == awaited.op)) text += ", which stands behind " + Name(before, awaited.device);
    }
    return text;
  }

  const std::vector<DeviceOrder>& orders_;
  const ScheduleProblem& problem_;
  std::vector<std::vector<int>> stages_;  ///< [device][chunk]
  int devices_;
  int chunks_;
  int microbatches_;
  std::vector<char> done_;  ///< by kind, stage, microbatch
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
