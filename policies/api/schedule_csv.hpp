// Pipeline schedules as PyTorch's torch.distributed.pipelining reads and writes them: a row per rank, a cell per action
// `<stage><type><microbatch>`, stages of the whole pipeline, empty cells idle. F is a forward, I the input's backward,
// W the weights', B a whole one; in files of before 2025 B is the input's and BW the whole one. A forward and a whole
// backward that run as a pair are one cell, `(0F7;7B3)OVERLAP_F_B`, which does not say how long the pair takes.
#pragma once

#include <string>
#include <vector>

#include "policies/api/schedule_problem.hpp"
#include "sim/plan/device_order.hpp"

namespace dflop {

enum class CsvFormat {
  kComputeOnly,   ///< "compute_only": computations
  kComputeComms,  ///< "compute_comms": with every send and receive, as PyTorch lowers the computations
};

/// What belongs to parameters that are sharded (FSDP), beside sends and receives: stages are gathered before they run
/// (UNSHARD), left when others are due (RESHARD), their gradients reduced behind their last microbatch (REDUCE_GRAD).
struct CsvOptions {
  CsvFormat format = CsvFormat::kComputeOnly;
  bool shards_parameters = false;  ///< of kComputeComms only
};

/// In today's dialect. The orders must be able to end (WhyOrdersFail); pairs are for kComputeOnly.
std::string ScheduleCsv(const std::vector<DeviceOrder>& orders, const ScheduleProblem& problem,
                        const CsvOptions& options = {});

struct ScheduleFile {
  std::vector<DeviceOrder> orders;
  Placement placement;
  int chunks = 1;
  int microbatches = 0;

  int devices() const { return static_cast<int>(orders.size()); }
};

/// `text` of the file `name`, in either dialect and format; pairs take as long as their halves alone; parameter actions
/// are left out, they follow from the rest. Sends and receives are left out too, once they are those that the
/// computations need: each SEND_F behind its forward and with one RECV_F of the next stage, each SEND_B behind its
/// backward and with one RECV_B of the stage before, none within a rank, none missing where the file has any, every
/// receive before what wants it. InputError "NAME: row R, column C: …" for what breaks a rule or is no action.
ScheduleFile ReadScheduleCsv(const std::string& text, const std::string& name);

}  // namespace dflop
