// Whether the orders of a pipeline's devices are whole and can end, by running them without times.
#include <algorithm>
#include <array>

#include "base/index.hpp"
#include "policies/api/checked_plugins.hpp"
#include "sim/graph/op_kind.hpp"
#include "sim/measure/timeline.hpp"

namespace dflop {
namespace {

constexpr std::array<OpKind, 4> kKinds = {OpKind::kForward, OpKind::kBackward, OpKind::kBackwardInput,
                                          OpKind::kBackwardWeight};

class OrderCheck {
 public:
  OrderCheck(const std::vector<DeviceOrder>& orders, int chunks, int microbatches)
      : orders_(orders),
        devices_(static_cast<int>(orders.size())),
        chunks_(chunks),
        microbatches_(microbatches),
        done_(kKinds.size() * orders.size() * Index(chunks) * Index(microbatches)) {}

  std::string Why() {
    for (int device = 0; device < devices_; ++device) {
      if (std::string why = WhyNotWhole(device); !why.empty()) return why;
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
          const int stage = order[at].chunk * devices_ + device;
          if (!Ready(order[at], stage)) break;
          done_[Cell(order[at].kind, stage, order[at].microbatch)] = 1;
        }
      }
    }
    for (int device = 0; device < devices_; ++device) {
      const DeviceOrder& order = orders_[Index(device)];
      if (next[Index(device)] < order.size())
        return "deadlock, waits for ever: " + Name(order[next[Index(device)]], device);
    }
    return "";
  }

  const std::vector<DeviceOrder>& orders_;
  int devices_;
  int chunks_;
  int microbatches_;
  std::vector<char> done_;  ///< by kind, stage, microbatch
};

}  // namespace

std::string WhyOrdersFail(const std::vector<DeviceOrder>& orders, int chunks, int microbatches) {
  return OrderCheck(orders, chunks, microbatches).Why();
}

}  // namespace dflop
