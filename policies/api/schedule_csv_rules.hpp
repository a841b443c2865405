// The rules that a schedule's file keeps, checked cell by cell: what runs before what, and which messages are due.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "policies/api/schedule_problem.hpp"
#include "sim/graph/op_kind.hpp"

namespace dflop {

/// Cells count from 0.
struct CsvComputation {
  OpKind kind = OpKind::kForward;
  int stage = 0;
  int microbatch = 0;
  std::size_t row = 0;
  std::size_t column = 0;
};
/// SEND_F, RECV_F, SEND_B or RECV_B, named by the stage that acts.
struct CsvMessage {
  bool sends = true;
  bool forward = true;
  int stage = 0;
  int microbatch = 0;
  std::size_t row = 0;
  std::size_t column = 0;
};

/// Throws; told a cell and the rule that it breaks.
using CsvFailure = std::function<void(std::size_t row, std::size_t column, const std::string& rule)>;

/// Both lists row by row from left to right. Nothing twice; a forward before its backward, an input's before the
/// weights'; both halves of a backward or a whole one; every microbatch on every stage.
void CheckCsvComputations(const std::vector<CsvComputation>& computations, int stages, int microbatches,
                          const CsvFailure& fail);
/// Every message that a computation owes to a stage on another row, once, behind its sender and before its receiver;
/// no other. Files that receive nowhere are not asked for messages.
void CheckCsvMessages(const std::vector<CsvComputation>& computations, const std::vector<CsvMessage>& messages,
                      const Placement& placement, const CsvFailure& fail);

}  // namespace dflop
