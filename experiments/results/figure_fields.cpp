#include "experiments/results/figure_fields.hpp"

#include <algorithm>
#include <array>
#include <limits>

namespace dflop {
namespace {

using Unit = FigureUnit;
using Figures = RunFigures;

/// Written, and a column of table.csv, where it is not 0, and wherever `beside` is not.
constexpr FigureField WhereAsked(double Figures::*value, std::string_view name, std::string_view object,
                                 std::string_view key, Unit unit, double Figures::*beside = nullptr) {
  return {.value = value,
          .name = name,
          .object = object,
          .key = key,
          .unit = unit,
          .least = 0,
          .optional = true,
          .unless_zero = true,
          .beside = beside};
}

constexpr FigureField OfTraining(double Figures::*value, std::string_view name, std::string_view object,
                                 std::string_view key, Unit unit = Unit::kNumber) {
  return WhereAsked(value, name, object, key, unit, &Figures::training_steps);
}

constexpr std::array<FigureField, 43> kFields = {{
    // The tables show it with its interval.
    {.value = &Figures::iteration_time_s,
     .name = "iteration_time_s",
     .object = "iteration_time_s",
     .key = "mean",
     .unit = Unit::kSeconds,
     .least = std::numeric_limits<double>::min(),
     .in_csv = false},
    {.value = &Figures::samples_per_s, .name = "samples_per_s", .unit = Unit::kPerSecond},
    {.value = &Figures::tokens_per_s, .name = "tokens_per_s", .unit = Unit::kPerSecond},
    {.value = &Figures::tflops_per_gpu, .name = "tflops_per_gpu", .unit = Unit::kTeraflops, .page = "TFLOP/s per GPU"},
    {.value = &Figures::mfu, .name = "mfu", .least = 0, .in_summary = true, .page = "MFU, %"},
    {.value = &Figures::idle_fraction,
     .name = "idle_fraction",
     .in_summary = true,
     .terminal = "idle %",
     .page = "Idle, %"},
    {.value = &Figures::bubble,
     .name = "bubble",
     .object = "idle_by_cause",
     .terminal = "bubble",
     .page = "Bubble, %",
     .idle_chart = "bubble"},
    {.value = &Figures::imbalance,
     .name = "imbalance",
     .object = "idle_by_cause",
     .terminal = "imbalance",
     .page = "Im\u00ADbalance, %",
     .idle_chart = "imbalance"},
    {.value = &Figures::data_parallel_wait,
     .name = "data_parallel_wait",
     .object = "idle_by_cause",
     .terminal = "dp wait",
     .page = "DP wait, %",
     .idle_chart = "data-parallel wait"},
    {.value = &Figures::communication,
     .name = "communication",
     .object = "idle_by_cause",
     .terminal = "comm. = enc/llm + stage + grad + param",
     .page = "Commu\u00ADnication, %"},
    {.value = &Figures::communication_encoder_llm,
     .name = "communication_encoder_llm",
     .object = "communication_by_kind",
     .key = "encoder_llm",
     .optional = true,
     .idle_chart = "encoder → LLM",
     .part_of = &Figures::communication,
     .part_name = "encoder → LLM"},
    {.value = &Figures::communication_stage,
     .name = "communication_stage",
     .object = "communication_by_kind",
     .key = "stage",
     .optional = true,
     .idle_chart = "stage transfers",
     .part_of = &Figures::communication,
     .part_name = "stages"},
    {.value = &Figures::communication_gradients,
     .name = "communication_gradients",
     .object = "communication_by_kind",
     .key = "gradients",
     .optional = true,
     .idle_chart = "gradient reduction",
     .part_of = &Figures::communication,
     .part_name = "gradients"},
    {.value = &Figures::communication_parameters,
     .name = "communication_parameters",
     .object = "communication_by_kind",
     .key = "parameters",
     .optional = true,
     .idle_chart = "parameter gather",
     .part_of = &Figures::communication,
     .part_name = "parameters"},
    {.value = &Figures::balance_gap, .name = "balance_gap", .page = "Balance gap, %"},
    // The page shows both in one cell at the end of a row.
    {.value = &Figures::planning_time_s, .name = "planning_time_s", .unit = Unit::kSeconds, .wall_clock = true},
    {.value = &Figures::planning_exposed_s, .name = "planning_exposed_s", .unit = Unit::kSeconds, .wall_clock = true},
    {.value = &Figures::peak_memory_bytes,
     .name = "peak_memory_bytes",
     .unit = Unit::kBytes,
     .over_seeds = OverSeedsRule::kLargest,  // which is what must fit
     .least = 0,
     .in_summary = true,
     .terminal = "peak GiB",
     .page = "Peak memory, GiB"},
    {.value = &Figures::extrapolated_fraction,
     .name = "extrapolated_fraction",
     .in_summary = true,
     .page = "Extra\u00ADpolated, %"},
    {.value = &Figures::tensor_parallel_communication_fraction,
     .name = "tensor_parallel_communication_fraction",
     .optional = true},
    {.value = &Figures::context_parallel_communication_fraction,
     .name = "context_parallel_communication_fraction",
     .optional = true,
     .unless_zero = true,
     .in_csv = false},
    {.value = &Figures::expert_communication_fraction,
     .name = "expert_communication_fraction",
     .optional = true,
     .unless_zero = true,
     .in_csv = false},
    {.value = &Figures::unmodelled_contention_fraction, .name = "unmodelled_contention_fraction", .optional = true},
    // The rest only where a scenario asks for it.
    WhereAsked(&Figures::data_loading_s, "data_loading_s", "", "", Unit::kSeconds),
    WhereAsked(&Figures::data_loading_exposed_s, "data_loading_exposed_s", "", "", Unit::kSeconds,
               &Figures::data_loading_s),
    {.value = &Figures::data_loading_hidden_by_cores,
     .name = "data_loading_hidden_by_cores_per_gpu",
     .unit = Unit::kNumber,
     .over_seeds = OverSeedsRule::kLargest,  // which hides it with every seed
     .least = 0,
     .optional = true,
     .unless_zero = true},
    OfTraining(&Figures::training_steps, "training_steps", "training", "steps"),
    OfTraining(&Figures::training_hours, "training_hours", "training/hours", "mean"),
    OfTraining(&Figures::training_hours_p5, "training_hours_p5", "training/hours", "p5"),
    OfTraining(&Figures::training_hours_p50, "training_hours_p50", "training/hours", "p50"),
    OfTraining(&Figures::training_hours_p95, "training_hours_p95", "training/hours", "p95"),
    OfTraining(&Figures::training_gpu_hours, "training_gpu_hours", "training/gpu_hours", "mean"),
    OfTraining(&Figures::training_gpu_hours_p5, "training_gpu_hours_p5", "training/gpu_hours", "p5"),
    OfTraining(&Figures::training_gpu_hours_p50, "training_gpu_hours_p50", "training/gpu_hours", "p50"),
    OfTraining(&Figures::training_gpu_hours_p95, "training_gpu_hours_p95", "training/gpu_hours", "p95"),
    WhereAsked(&Figures::training_cost, "training_cost", "training/cost", "mean", Unit::kNumber),
    WhereAsked(&Figures::training_cost_p5, "training_cost_p5", "training/cost", "p5", Unit::kNumber),
    WhereAsked(&Figures::training_cost_p50, "training_cost_p50", "training/cost", "p50", Unit::kNumber),
    WhereAsked(&Figures::training_cost_p95, "training_cost_p95", "training/cost", "p95", Unit::kNumber),
    OfTraining(&Figures::training_failures, "training_failures", "training/failures", "mean"),
    OfTraining(&Figures::training_lost_fraction, "training_lost_fraction", "training", "lost_fraction", Unit::kShare),
    WhereAsked(&Figures::training_checkpoint_write_s, "training_checkpoint_write_s", "training", "checkpoint_write_s",
               Unit::kSeconds),
    WhereAsked(&Figures::training_best_checkpoint_every_s, "training_best_checkpoint_every_s", "training",
               "best_checkpoint_every_s", Unit::kSeconds),
}};

}  // namespace

std::span<const FigureField> FigureFields() { return kFields; }

std::vector<const FigureField*> PartsOf(const FigureField& whole) {
  std::vector<const FigureField*> parts;
  for (const FigureField& field : kFields) {
    if (field.part_of == whole.value) parts.push_back(&field);
  }
  return parts;
}

Json& HolderOf(const FigureField& field, Json& metrics) {
  Json* holder = &metrics;
  for (std::string_view rest = field.object; !rest.empty();) {
    const std::size_t end = std::min(rest.find('/'), rest.size());
    holder = &(*holder)[rest.substr(0, end)];
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return *holder;
}

bool IsWallClock(std::string_view key) {
  return std::any_of(kFields.begin(), kFields.end(),
                     [&](const FigureField& field) { return field.wall_clock && field.name == key; });
}

}  // namespace dflop
