// Pipeline schedules as PyTorch's torch.distributed.pipelining reads and writes them: a row per rank, a cell per action
// `<stage><type><microbatch>`, stages of the whole pipeline, empty cells idle. F is a forward, I the input's backward,
// W the weights', B a whole one; in files of before 2025 B is the input's and BW the whole one.
#pragma once

#include <string>
#include <vector>

#include "policies/api/schedule_problem.hpp"
#include "sim/plan/device_order.hpp"

namespace dflop {

/// Computations only ("compute_only"), in today's dialect.
std::string ScheduleCsv(const std::vector<DeviceOrder>& orders, const ScheduleProblem& problem);

struct ScheduleFile {
  std::vector<DeviceOrder> orders;
  Placement placement;
  int chunks = 1;
  int microbatches = 0;

  int devices() const { return static_cast<int>(orders.size()); }
};

/// `text` of the file `name`, in either dialect; sends, receives and parameter actions are left out, they follow from
/// the rest. InputError "NAME: row R, column C: …" for what is no action or has no place.
ScheduleFile ReadScheduleCsv(const std::string& text, const std::string& name);

}  // namespace dflop
