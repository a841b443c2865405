// Replicas that run the same at the same time: one of them stands for all.
#pragma once

#include <vector>

#include "sim/plan/batch_plan.hpp"
#include "sim/plan/layout.hpp"

namespace dflop {

struct ReplicaClass {
  std::vector<int> replicas;  ///< in rising order; the first stands for all

  int first() const { return replicas.front(); }
  int count() const { return static_cast<int>(replicas.size()); }
};

/// In the order of their first replicas. Equal are replicas that hold the same parts in the same order of devices, have
/// the same sequences in every microbatch, and whose messages between stages take the same time. Every replica is a
/// class of its own where replicas send each other messages: with encoders on devices of their own, or exchanged tiles.
std::vector<ReplicaClass> ReplicaClassesOf(const CostModel& cost, const Layout& layout, const StepWork& work);

}  // namespace dflop
