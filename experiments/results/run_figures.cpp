#include "experiments/results/run_figures.hpp"

#include <algorithm>
#include <limits>
#include <optional>

#include "experiments/results/figure_fields.hpp"

namespace dflop {
namespace {

constexpr const char* kStepTimes = "per_step";  // beside the mean

Json MemoryToJson(const std::vector<StageMemory>& stages) {
  Json json = Json::EmptyArray();
  for (const StageMemory& stage : stages) {
    Json entry;
    entry["module"] = stage.module;
    entry["stage"] = stage.stage;
    for (const MemoryPart& part : kMemoryParts) entry[std::string(part.name) + "_bytes"] = (stage.*part.bytes).value();
    json.push_back(std::move(entry));
  }
  return json;
}

std::vector<StageMemory> ReadMemory(const JsonReader& metrics) {
  std::vector<StageMemory> memory;
  const auto stages = metrics.Find("memory_by_stage");
  if (!stages) return memory;
  for (const JsonReader& stage : stages->Elements()) {
    StageMemory& entry = memory.emplace_back();
    entry.module = stage.At("module").String();
    entry.stage = static_cast<int>(stage.At("stage").Int(0, 1'000'000));
    for (const MemoryPart& part : kMemoryParts) {
      entry.*part.bytes = Bytes(stage.NumberOr(std::string(part.name) + "_bytes", 0, 0, FigureField::kMost));
    }
  }
  return memory;
}

double ReadFigure(const JsonReader& metrics, const FigureField& field) {
  JsonReader holder = metrics;
  for (std::string_view rest = field.object; !rest.empty();) {
    const std::string_view name = rest.substr(0, rest.find('/'));
    if (field.optional && !holder.Has(name)) return 0;
    holder = holder.At(name);
    rest.remove_prefix(std::min(name.size() + 1, rest.size()));
  }
  if (field.optional && !holder.Has(field.key_there())) return 0;
  return holder.At(field.key_there()).Number(field.least, FigureField::kMost);
}

std::vector<double> ReadStepTimes(const JsonReader& metrics) {
  std::vector<double> times;
  const JsonReader steps = metrics.At("iteration_time_s").At(kStepTimes);
  for (const JsonReader& step : steps.Elements()) {
    times.push_back(step.Number(std::numeric_limits<double>::min(), std::numeric_limits<double>::max()));
  }
  if (times.empty()) steps.Fail("is empty, a run has a step");
  return times;
}

}  // namespace

Json ToJson(const RunFigures& figures) {
  Json metrics;
  for (const FigureField& field : FigureFields()) {
    if (!field.IsThere(figures)) continue;
    HolderOf(field, metrics)[field.key_there()] = figures.*field.value;
    if (field.value != &RunFigures::peak_memory_bytes) continue;  // beside which stands what it is made of
    metrics["fits"] = figures.fits;
    metrics["memory_by_stage"] = MemoryToJson(figures.memory);
  }
  metrics["iteration_time_s"][kStepTimes] = Json::ArrayOf(figures.step_s);
  return metrics;
}

RunFigures ReadRunFigures(const JsonReader& metrics) {
  RunFigures figures;
  for (const FigureField& field : FigureFields()) figures.*field.value = ReadFigure(metrics, field);
  figures.step_s = ReadStepTimes(metrics);
  figures.fits = metrics.At("fits").Bool();
  figures.memory = ReadMemory(metrics);
  return figures;
}

RunFigures OverSeeds(std::span<const RunFigures> seeds) {
  RunFigures over;
  for (const FigureField& field : FigureFields()) {
    double& value = over.*field.value;
    for (const RunFigures& seed : seeds) {
      value = field.over_seeds == OverSeedsRule::kMean ? value + seed.*field.value : std::max(value, seed.*field.value);
    }
    if (field.over_seeds == OverSeedsRule::kMean) value /= static_cast<double>(seeds.size());
  }
  over.fits = std::all_of(seeds.begin(), seeds.end(), [](const RunFigures& seed) { return seed.fits; });
  over.memory = std::max_element(seeds.begin(), seeds.end(), [](const RunFigures& a, const RunFigures& b) {
                  return a.peak_memory_bytes < b.peak_memory_bytes;
                })->memory;
  return over;
}

}  // namespace dflop
