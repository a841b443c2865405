// The order in which a device runs its microbatches: plain data that a pipeline schedule produces.
#pragma once

#include <algorithm>
#include <cstddef>
#include <initializer_list>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "sim/graph/op_kind.hpp"

namespace dflop {

/// One entry of a device's order. `chunk` counts the stages that a device holds, first stage = 0.
struct ScheduledOp {
  OpKind kind = OpKind::kForward;
  int microbatch = 0;
  int chunk = 0;
  int split = 0;  ///< which part of the microbatch's sequence, of a schedule that divides it; a layout's orders do not
  /// Above 0: this forward and the backward that follows it are a pair, which runs as one. It begins when the inputs of
  /// both are there, takes this share (up to 1) of their times together, and gives both results at its end.
  double pair = 0;
  bool operator==(const ScheduledOp&) const = default;
};

/// Copies share their entries until one of them grows: the devices of a large job tend to run a handful of orders.
class DeviceOrder {
 public:
  using value_type = ScheduledOp;
  using const_iterator = std::span<const ScheduledOp>::iterator;

  DeviceOrder() = default;
  DeviceOrder(std::vector<ScheduledOp> entries)
      : entries_(std::make_shared<std::vector<ScheduledOp>>(std::move(entries))) {}
  DeviceOrder(std::initializer_list<ScheduledOp> entries) : DeviceOrder(std::vector<ScheduledOp>(entries)) {}

  void push_back(const ScheduledOp& entry) {
    if (entries_ == nullptr || entries_.use_count() > 1) {
      entries_ = std::make_shared<std::vector<ScheduledOp>>(begin(), end());
    }
    entries_->push_back(entry);
  }

  std::span<const ScheduledOp> all() const {
    return entries_ == nullptr ? std::span<const ScheduledOp>() : std::span<const ScheduledOp>(*entries_);
  }
  const_iterator begin() const { return all().begin(); }
  const_iterator end() const { return all().end(); }
  /// The same for orders that share their entries.
  const ScheduledOp* data() const { return all().data(); }
  std::size_t size() const { return all().size(); }
  bool empty() const { return all().empty(); }
  /// Of the time of what stands at this place, where it is one half of a pair; 1 otherwise.
  double ShareAt(std::size_t place) const {
    const ScheduledOp* first = all()[place].pair > 0 ? &all()[place] : place > 0 ? &all()[place - 1] : nullptr;
    return first != nullptr && first->pair > 0 ? first->pair : 1;
  }
  const ScheduledOp& operator[](std::size_t place) const { return all()[place]; }
  const ScheduledOp& back() const { return all().back(); }

  friend bool operator==(const DeviceOrder& a, const DeviceOrder& b) {
    return a.entries_ == b.entries_ || std::equal(a.begin(), a.end(), b.begin(), b.end());
  }

 private:
  std::shared_ptr<std::vector<ScheduledOp>> entries_;
};

}  // namespace dflop
