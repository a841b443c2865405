// The defaults in force, in a few words under the table.
#include <algorithm>
#include <functional>

#include "base/text.hpp"
#include "experiments/results/summary.hpp"
#include "models/drawn_kernel_costs.hpp"
#include "sim/plan/layout.hpp"

namespace dflop {
namespace {

/// A scenario's `cost_draws`, as DescribeCostDraws (experiments/run/cost_draws.hpp) writes them.
std::string CostDrawsInWords(const JsonReader& cost_draws) {
  std::string text = cost_draws.Has("fewest") ? cost_draws.At("fewest").json().Dump() + " to " : std::string();
  text += cost_draws.At("count").json().Dump() + " draws of kernel costs, sigma";
  const JsonReader sigma = cost_draws.At("sigma");
  for (const CostKind kind : kCostKinds) {
    std::string name = NameOf(kind);
    std::replace(name.begin(), name.end(), '_', ' ');
    text += (kind == kCostKinds.front() ? " " : ", ") + name + " " +
            Fixed(100 * sigma.At(NameOf(kind)).Number(0, 100), 0) + " %";
  }
  return text;
}

/// ", overlap_gradients, bucket_bytes 160000000": what is not as by default of what runs beside the computation.
std::string OverlapInWords(const JsonReader& software) {
  std::string text;
  for (const char* key : {"overlap_gradients", "overlap_parameters", "blocking_sends"}) {
    const auto value = software.Find(key);  // which older results do not have
    if (!value || !value->Bool()) continue;
    text += std::string(", ") + key;
    if (key == std::string("overlap_gradients")) text += ", bucket_bytes " + software.At("bucket_bytes").json().Dump();
  }
  return text;
}

// What holds of a scenario's layouts: the words of all its policies, "by policy" where they differ.
std::string OfLayouts(const JsonReader& result, const std::string& scenario,
                      const std::function<std::string(const JsonReader& layout)>& words) {
  std::string common;
  for (const JsonReader& run : result.At("runs").Elements()) {
    if (run.At("scenario").String() != scenario || !run.Has("layout")) continue;
    const std::string these = words(run.At("layout"));
    if (!common.empty() && !these.empty() && these != common) return "by policy";
    if (common.empty()) common = these;
  }
  return common;
}

std::string SequenceParallel(const JsonReader& layout) {
  const std::vector<JsonReader> modules = layout.At("modules").Elements();
  const auto on = [](const JsonReader& module) { return module.At("sequence_parallel").Bool(); };
  if (std::all_of(modules.begin(), modules.end(), on)) return "true";
  return std::none_of(modules.begin(), modules.end(), on) ? "false" : "by module";
}

std::string CommunicatorWords(const JsonReader& layout) {
  const auto communicator = layout.Find("communicator");
  if (!communicator) return "";
  const Communicator read = ReadCommunicator(*communicator);
  return std::string(read.hub() ? "hub" : "direct") + (read.blocking ? " (blocking)" : "");
}

/// "; tiling internvl": how each encoder's images become tokens.
std::string Tilings(const JsonReader& assumptions) {
  std::string names;
  const auto model = assumptions.Find("model");
  if (!model || !model->IsObject() || !model->Has("encoders")) return "";
  for (const JsonReader& encoder : model->At("encoders").Elements()) {
    names += (names.empty() ? "" : ", ") + encoder.At("tiling").String();
  }
  return names.empty() ? "" : "; tiling " + names;
}

/// "; loading: 8 cores per GPU, 2 batches ahead; training: steps wait for checkpoints": the defaults of both keys.
std::string WholeRunWords(const JsonReader& assumptions) {
  std::string text;
  if (const auto loading = assumptions.Find("data_loading")) {
    text += "; loading: " + loading->At("cores_per_gpu").json().Dump() + " cores per GPU, " +
            loading->At("prefetch_steps").json().Dump() + " batches ahead";
  }
  const auto training = assumptions.Find("training");
  const auto checkpoint = training ? training->Find("checkpoint") : std::nullopt;
  if (!checkpoint) return text;
  return text + "; training: steps " + (checkpoint->At("blocking").Bool() ? "wait for" : "run beside") +
         " the writes of checkpoints";
}

std::string Words(const JsonReader& result, const JsonReader& scenario) {
  const std::string name = scenario.At("name").String();
  const JsonReader assumptions = scenario.At("assumptions");
  const JsonReader software = assumptions.At("software");
  std::string text = "engine " + result.At("engine").String() + ", " + software.At("precision").String() + ", " +
                     software.At("attention").String() + " attention, " + software.At("packing").String() +
                     " sequences, recompute " + software.At("recompute").String();
  const std::string parallel = OfLayouts(result, name, SequenceParallel);
  if (!parallel.empty()) text += ", sequence_parallel " + parallel;
  const std::string communicator = OfLayouts(result, name, CommunicatorWords);
  if (!communicator.empty()) text += ", communicator " + communicator;
  if (const auto preset = software.At("software").Find("preset")) text += ", software as " + preset->String();
  text += ", " + software.At("software").At("bytes_per_parameter").json().Dump() + " bytes per parameter";
  text += OverlapInWords(software.At("software"));
  if (assumptions.Has("anomalies")) text += "; anomalies: " + assumptions.At("anomalies").String();
  text += "; kernel costs: " + assumptions.At("kernel_costs").String();
  text += Tilings(assumptions) + WholeRunWords(assumptions);
  if (const auto draws = assumptions.Find("cost_draws")) text += "; verdicts: " + CostDrawsInWords(*draws);
  return text;
}

}  // namespace

std::string AssumptionLines(const JsonReader& result) {
  std::vector<std::pair<std::string, std::vector<std::string>>> lines;  // words, scenarios they hold for
  for (const JsonReader& scenario : result.At("scenarios").Elements()) {
    const std::string words = Words(result, scenario);
    const std::string name = scenario.At("name").String();
    auto line = std::find_if(lines.begin(), lines.end(), [&](const auto& other) { return other.first == words; });
    if (line == lines.end()) line = lines.insert(lines.end(), {words, {}});
    auto& names = line->second;
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  }
  std::string text;
  for (const auto& [words, names] : lines) {
    text += "assumed" + (lines.size() > 1 ? " in " + JoinNames(names) : std::string()) + ": " + words + "\n";
  }
  return text;
}

}  // namespace dflop
