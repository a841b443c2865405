// Between two stages that follow each other on a microbatch's way: what passes, and on which ways.
#pragma once

#include "sim/build/stage_way.hpp"
#include "sim/plan/batch_plan.hpp"
#include "sim/plan/job.hpp"

namespace dflop {

class StageBoundary {
 public:
  StageBoundary(const Job& job, const StepWork& work, int first, int second);

  /// Of microbatch `k`: the boundary of every module that goes on, the projected output of every encoder that ends, or
  /// their gradients.
  Bytes BytesOf(int k, bool backward) const;
  const StageWay& Forward() const { return forward_; }
  const StageWay& Backward() const { return backward_; }
  /// Nothing moves between stages that share their devices.
  bool moves() const { return !forward_.flows().empty(); }

 private:
  const CostModel& cost_;
  const StepWork& work_;
  const Stage& stage_;
  std::vector<int> next_layer_;  ///< [part]: where the next stage goes on; −1: it does not
  StageWay forward_;
  StageWay backward_;
};

}  // namespace dflop
