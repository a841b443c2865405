// Whether the orders of a pipeline's devices are whole and can end, by running them without times.
#include <algorithm>
#include <array>

#include "base/index.hpp"
#include "policies/api/checked_plugins.hpp"
#include "sim/graph/op_kind.hpp"
#include "sim/measure/timeline.hpp"

namespace dflop {
namespace {

constexpr std::size_t kKinds = 3;  // forward, backward, weight gradient

class OrderCheck {
 public:
  OrderCheck(const std::vector<DeviceOrder>& orders, int chunks, int microbatches)
      : orders_(orders),
        devices_(static_cast<int>(orders.size())),
        chunks_(chunks),
        microbatches_(microbatches),
        done_(kKinds * orders.size() * Index(chunks) * Index(microbatches)) {}

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
    std::array<std::vector<char>, kKinds> seen;
    for (auto& kind : seen) kind.resize(pairs);
    for (const ScheduledOp& op : order) {
      if (static_cast<std::size_t>(op.kind) >= kKinds) return "no computation is " + Name(op, device);
      if (op.chunk < 0 || op.chunk >= chunks_ || op.microbatch < 0 || op.microbatch >= microbatches_) {
        return "there is no " + Name(op, device);
      }
      char& cell =
          seen[static_cast<std::size_t>(op.kind)][Index(op.chunk) * Index(microbatches_) + Index(op.microbatch)];
      if (cell != 0) return "a second time runs " + Name(op, device);
      cell = 1;
    }
    const bool split = SplitsBackward(order);
    for (const OpKind kind : {OpKind::kForward, OpKind::kBackward, OpKind::kWeightGradient}) {
      if (kind == OpKind::kWeightGradient && !split) continue;
      const auto& cells = seen[static_cast<std::size_t>(kind)];
      const auto missing = std::find(cells.begin(), cells.end(), 0);
      if (missing == cells.end()) continue;
      const auto place = static_cast<int>(missing - cells.begin());
      return "never runs " + Name({kind, place % microbatches_, place / microbatches_}, device);
    }
    return "";
  }

  bool Ready(const ScheduledOp& op, int stage) const {
    const auto ended = [&](OpKind kind, int at) { return done_[Cell(kind, at, op.microbatch)] != 0; };
    if (op.kind == OpKind::kForward) return stage == 0 || ended(OpKind::kForward, stage - 1);
    if (op.kind == OpKind::kWeightGradient) return ended(OpKind::kBackward, stage);
    const bool last = stage + 1 == devices_ * chunks_;
    return ended(OpKind::kForward, stage) && (last || ended(OpKind::kBackward, stage + 1));
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
