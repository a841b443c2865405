// The figures of one run (a scenario under one policy with one seed), or of one policy's runs over their seeds.
//
// A figure is a member here, a line in the table of figure_fields.cpp, and the line in run/run_metrics.cpp that works
// it out; whatever writes, reads, gathers or shows figures goes by the table.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/json_reader.hpp"
#include "sim/measure/memory_parts.hpp"

namespace dflop {

struct StageMemory : MemoryParts {
  std::string module;
  int stage = 0;  ///< device within the module's pipeline
};

/// Shares of time are of all device time of the steps (idle) or of the busy time (of computations, or of NICs; the last
/// three), longer steps counting more; the parts of the idle time may be negative and add up to it.
struct RunFigures {
  double iteration_time_s = 0;  ///< mean over the steps
  std::vector<double> step_s;   ///< of each step, seconds; empty in figures over several seeds
  double samples_per_s = 0;
  double tokens_per_s = 0;    ///< LLM tokens without padding
  double tflops_per_gpu = 0;  ///< 1e12 FLOP/s, recomputation counted, the optimizer's time not
  double mfu = 0;             ///< share of the GPUs' peak, recomputation not counted
  double idle_fraction = 0;
  double bubble = 0;
  double imbalance = 0;
  double data_parallel_wait = 0;
  double communication = 0;  ///< the sum of the four below
  double communication_encoder_llm = 0;
  double communication_stage = 0;
  double communication_gradients = 0;
  double communication_parameters = 0;
  double balance_gap = 0;         ///< of the largest bucket over the lower bound, mean over the steps
  double planning_time_s = 0;     ///< wall clock of layout search and batch scheduler
  double planning_exposed_s = 0;  ///< part of it that the GPUs wait for
  double peak_memory_bytes = 0;   ///< of the fullest device in any step
  bool fits = true;
  std::vector<StageMemory> memory;  ///< of the step with the peak
  double extrapolated_fraction = 0;
  double tensor_parallel_communication_fraction = 0;
  double context_parallel_communication_fraction = 0;
  double expert_communication_fraction = 0;
  // Where the scenario has data_loading (run/data_loading.hpp); means per step, beside the step's own time.
  double data_loading_s = 0;
  double data_loading_exposed_s = 0;        ///< what the GPUs wait for
  double data_loading_hidden_by_cores = 0;  ///< cores per GPU; 0: it is hidden, or no number of them hides it
  // Where the scenario has `training` (run/training_figures.hpp), otherwise 0. Quantiles are over failures by chance.
  double training_steps = 0;
  double training_hours = 0;  ///< mean
  double training_hours_p5 = 0;
  double training_hours_p50 = 0;
  double training_hours_p95 = 0;
  double training_gpu_hours = 0;  ///< of the GPUs in use; mean
  double training_gpu_hours_p5 = 0;
  double training_gpu_hours_p50 = 0;
  double training_gpu_hours_p95 = 0;
  double training_cost = 0;  ///< in the currency of the price; mean
  double training_cost_p5 = 0;
  double training_cost_p50 = 0;
  double training_cost_p95 = 0;
  double training_failures = 0;       ///< mean
  double training_lost_fraction = 0;  ///< of the mean time, what is not spent in steps
  double training_checkpoint_write_s = 0;
  double training_best_checkpoint_every_s = 0;
  /// Of the time that NICs are busy, the time in which messages met on one and did not slow each other down.
  double unmodelled_contention_fraction = 0;
};

/// The `metrics` of a run in dflop/result/1, without speedup_vs.
Json ToJson(const RunFigures& figures);

/// Reads them back; InputError on what is missing or malformed. Fields that the table calls optional are 0 where an
/// older result lacks them.
RunFigures ReadRunFigures(const JsonReader& metrics);

/// Every figure over the seeds as the table says; one run at least. Fits only what fits with every seed; the memory of
/// the stages is that of the seed with the largest peak.
RunFigures OverSeeds(std::span<const RunFigures> seeds);

}  // namespace dflop
