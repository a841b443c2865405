// Kernels as a training step runs them, from tables that were measured kernel by kernel: another attention kernel than
// the table's, and the clock that a GPU's power limit sustains.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "models/kernel_costs.hpp"
#include "models/software_stack.hpp"

namespace dflop {

/// `costs` as this stack runs them on their GPU; `costs` themselves where it runs them as they were measured.
///
/// Attention: the table's time over the rate of the stack's kernel relative to the table's own, forward and backward.
/// Clock: a GPU draws P = P₀ + P₁·e·f³ at efficiency e (of the peak, at the table's clock) and relative clock f, since
/// switching costs f·V² and the voltage follows the clock. Where that would pass its limit the clock falls to
/// f = (e₀ / e)^⅓; e₀ is the efficiency that it sustains without. A kernel's efficiency becomes e·f; what memory binds
/// keeps its time. Ratios, e₀ and their sources: models/data/device_load.json.
std::shared_ptr<const KernelCosts> UnderLoad(std::shared_ptr<const KernelCosts> costs, const SoftwareStack& software);

/// Whether a GPU's tensor cores multiply the precision's format.
bool Multiplies(const GpuSpec& gpu, Precision precision);
/// Whether a GPU has rates of an attention kernel; one without runs the table's.
bool HasRates(const GpuSpec& gpu, AttentionKernel kernel);
/// The built-in GPU whose entry counts for a GPU: itself, or the one nearest in peak rate.
std::string LoadNameOf(const GpuSpec& gpu);
/// The built-in GPUs that multiply a precision's format.
std::vector<std::string> GpusThatMultiply(Precision precision);

}  // namespace dflop
