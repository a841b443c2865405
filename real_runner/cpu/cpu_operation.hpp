// One operation on this processor, as data: which tensors it has, how they are filled, and the function that runs it.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "traces/cost_trace.hpp"

namespace dflop {

/// How a tensor's first contents come about.
enum class Fill {
  kNormal,     ///< input: random, standard deviation 1
  kWeight,     ///< input: random, small, so that products of many stay of the order of 1
  kSquare,     ///< input: random and not negative
  kIndex,      ///< input: random whole numbers below `bound`
  kOutput,     ///< written by the operation
  kWorkspace,  ///< neither: intermediate results of the operation or of its preparation
};

struct CpuTensor {
  std::string name;
  std::vector<std::int64_t> shape;
  Fill fill = Fill::kNormal;
  std::int64_t bound = 0;  ///< of kIndex
  std::string updates{};   ///< an output that shares the memory of this input (in-place update), or ""

  std::int64_t values() const;
};

/// Pointers to the tensors of one set, in the order of CpuOperation::tensors.
using TensorPointers = std::vector<float*>;

struct CpuOperation {
  std::vector<CpuTensor> tensors;
  std::function<void(const TensorPointers&)> run;
  /// What must have happened before, once per set, e.g. the forward of a backward; may be empty.
  std::function<void(const TensorPointers&)> prepare = {};
};

/// Each reads its sizes from the row. Unknown operations and directions: Unsupported.
CpuOperation GemmOperation(const CostRow& row);
CpuOperation AttentionOperation(const CostRow& row);
CpuOperation PackedAttentionOperation(const CostRow& row);
CpuOperation MemoryBoundOperation(const CostRow& row);
CpuOperation LossOperation(const CostRow& row);
CpuOperation OptimizerOperation(const CostRow& row);
CpuOperation LayerOperation(const CostRow& row);

/// Any of the above, by the row's op.
CpuOperation MakeCpuOperation(const CostRow& row);

}  // namespace dflop
