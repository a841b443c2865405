// Reasons are asked for from the outside in: number format, completeness, machine, model, layout, the program's own.
#include "experiments/published_runs/published_scenario.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <optional>
#include <utility>

#include "base/slug.hpp"
#include "experiments/published_runs/published_cluster.hpp"
#include "experiments/published_runs/published_layout.hpp"
#include "experiments/published_runs/published_model.hpp"
#include "experiments/published_runs/published_stack.hpp"
#include "experiments/published_runs/scenario_check.hpp"

namespace dflop {
namespace {

/// How a table's number format is told in an experiment.
struct NumberFormat {
  std::string word;   ///< "fp32" for one of 32 bits, "" for an unknown one
  std::string proxy;  ///< what the word stands for, where that is something else
};

/// Scales of blocks (mxfp8) are told as those of tensors where the program knows no other; a run that mixes 4 and 8
/// bits without saying where counts as one of 4.
NumberFormat FormatOf(const std::string& printed) {
  if (Mentions(printed, "fp4")) return {"nvfp4", Mentions(printed, "fp8") ? "precision: nvfp4 for a mix with fp8" : ""};
  const bool in_blocks = Mentions(printed, "mxfp8") || Mentions(printed, "fp8-mx");
  if (in_blocks && IsPrecisionWord("mxfp8")) return {"mxfp8", ""};
  if (Mentions(printed, "fp8")) return {"fp8", in_blocks ? "precision: fp8 for mxfp8" : ""};
  if (Mentions(printed, "bf16") || Mentions(printed, "bfloat16")) return {"bf16", ""};
  if (Mentions(printed, "fp16") || Mentions(printed, "float16")) return {"fp16", ""};
  return {Mentions(printed, "32") ? "fp32" : "", ""};
}

std::string PrecisionWord(const std::string& printed) { return FormatOf(printed).word; }

bool Is16Bit(const std::string& word) { return word == "bf16" || word == "fp16"; }

std::string Missing(const PublishedRow& row) {
  const std::array<std::pair<const char*, int>, 12> kNeeded = {{{"layers", row.layers},
                                                                {"hidden", row.hidden},
                                                                {"heads", row.heads},
                                                                {"kv_heads", row.kv_heads},
                                                                {"ffn", row.ffn},
                                                                {"vocab", row.vocab},
                                                                {"seq_len", row.seq_len},
                                                                {"gpus", row.gpus},
                                                                {"tp", row.tp},
                                                                {"pp", row.pp},
                                                                {"micro_batch", row.micro_batch},
                                                                {"global_batch", row.global_batch}}};
  std::string missing;
  for (const auto& [name, value] : kNeeded) {
    if (value == 0) missing += (missing.empty() ? "" : ", ") + std::string(name);
  }
  if (row.step_time_s <= 0) missing += std::string(missing.empty() ? "" : ", ") + "step_time_s";
  return missing;
}

/// Reason and detail; the reason is "" where nothing speaks against the row so far.
using Objection = std::pair<std::string, std::string>;

Objection ObjectionTo(const PublishedRow& row, const std::string& preset) {
  const std::string word = PrecisionWord(row.precision);
  if (word.empty()) return {row.precision.empty() ? "precision not stated" : "precision unknown", row.precision};
  if (word == "fp32") return {"32-bit precision", row.precision};
  if (!Is16Bit(word) && !IsPrecisionWord(word)) return {"8- or 4-bit precision", row.precision};
  if (const std::string why = WhyNoDecoder(row); !why.empty()) return {why, row.model};
  if (const std::string missing = Missing(row); !missing.empty()) return {"configuration incomplete", missing};
  if (row.recompute.empty() && !RecomputesOnlyWhereStated(preset)) return {"recompute not stated", row.framework};
  return {};
}

std::string KindOf(const PublishedRow& row) {
  const std::string kind = IsLora(row) ? "lora" : row.experts > 0 ? "experts" : "dense";
  if (Is16Bit(PrecisionWord(row.precision))) return kind;
  return kind == "dense" ? "fp8" : "fp8-" + kind;
}

/// What all layouts of one job share. BigScience's runs also need one period: nodes were mended on 25 February 2022.
std::string GroupOf(const PublishedRow& row, const std::string& preset) {
  const std::string on = std::to_string(row.gpus) + "x" + row.gpu + " batch " + std::to_string(row.global_batch);
  const std::string shape = std::to_string(row.layers) + "x" + std::to_string(row.hidden) + " " +
                            std::to_string(row.heads) + " heads s" + std::to_string(row.seq_len) + " ";
  if (preset == "megatron-deepspeed") {
    return shape + on + " " + row.precision + (Mentions(row.notes, "before PCIe/NUMA") ? " before" : " after");
  }
  if (preset == "internevo") return shape + on + " recompute " + row.recompute;
  return preset == "vtrain" ? shape + on : "";
}

std::string NameOf(const PublishedRow& row, const HomogeneousDegrees& degrees, const std::string& gpu) {
  std::string name = (row.model.empty() ? "run" : row.model) + " " + std::to_string(row.gpus) + "x" + gpu + " s" +
                     std::to_string(row.seq_len);
  const std::array<std::pair<const char*, int>, 5> kShown = {
      {{"tp", degrees.tp}, {"pp", degrees.pp}, {"vp", degrees.chunks}, {"cp", degrees.cp}, {"ep", degrees.ep}}};
  for (const auto& [word, degree] : kShown) {
    if (degree > 1) name += " " + std::string(word) + std::to_string(degree);
  }
  name += " mb" + std::to_string(row.micro_batch) + " gb" + std::to_string(row.global_batch);
  constexpr std::size_t kLongest = 92;  // of a hundred, so that a number finds room behind it
  std::replace_if(
      name.begin(), name.end(), [](char c) { return std::iscntrl(static_cast<unsigned char>(c)) != 0; }, ' ');
  return name.substr(0, kLongest);
}

Json ScenarioOf(const PublishedRow& row, const std::string& preset, const HomogeneousDegrees& degrees,
                const PublishedCluster& cluster, Json model) {
  Json scenario;
  scenario["name"] = NameOf(row, degrees, cluster.gpu);
  scenario["model"] = std::move(model);
  scenario["cluster"] = cluster.json;
  Json& samples = scenario["samples"];
  samples["name"] = "fixed";
  samples["text_tokens"] = row.seq_len;
  scenario["planning_samples"] = 8;  // all alike
  scenario["global_batch_size"] = row.global_batch;
  scenario["precision"] = PrecisionWord(row.precision);
  scenario["recompute"] = RecomputeOf(row, preset);
  if (Json software = SoftwareOf(row, preset, degrees.dp * degrees.cp); !(software == Json::EmptyObject())) {
    scenario["software"] = std::move(software);
  }
  Json policy;
  policy["name"] = "as published";
  policy["layout"] = FixedLayoutJson(degrees, row.micro_batch);
  policy["batching"] = "in-order";
  policy["pipeline"] = PipelineJson(degrees);
  scenario["policies"] = Json(Json::Array{std::move(policy)});
  return scenario;
}

std::string Joined(const std::string& one, const std::string& other) {
  return one + (one.empty() || other.empty() ? "" : "; ") + other;
}

MeasuredRun MeasuredOf(const PublishedRow& row, const std::string& preset, const PublishedLayout& layout) {
  MeasuredRun run;
  run.source = row.source.empty() ? "unnamed" : row.source;
  run.stack = preset;
  run.kind = KindOf(row);
  run.file = FileOf(run.source, run.kind);
  run.assumed = Joined(layout.assumed, row.recompute.empty() ? "recompute none" : "");
  run.group = GroupOf(row, preset);
  run.gpu = row.gpu;
  run.gpus = row.gpus;
  run.tp = layout.degrees.tp;
  run.pp = layout.degrees.pp;
  run.dp = layout.degrees.dp;
  run.cp = layout.degrees.cp;
  run.step_time_s = row.step_time_s;
  run.table = row.table;
  run.line = row.line;
  return run;
}

ImportedRow LeftOut(const std::string& reason, const std::string& detail) {
  return {.left_out = reason, .detail = detail, .scenario = {}, .measured = {}};
}

struct NamedSource {
  const char* word;  ///< in the source's name
  const char* file;
};
constexpr std::array<NamedSource, 17> kSources = {{{"llm-foundry", "llm-foundry"},
                                                   {"BigScience", "bigscience"},
                                                   {"InternEvo", "internevo"},
                                                   {"dgxc", "dgxc"},
                                                   {"torchtitan", "torchtitan"},
                                                   {"fms-fsdp", "fms-fsdp"},
                                                   {"Megatron-Bridge", "megatron-bridge"},
                                                   {"Automodel", "automodel"},
                                                   {"SC21 table 1", "megatron-2021"},
                                                   {"JAX-Toolbox", "jax-toolbox"},
                                                   {"NeMo docs", "nemo-docs"},
                                                   {"NeMo Framework Launcher", "nemo-launcher"},
                                                   {"MLPerf", "mlperf"},
                                                   {"strong scaling", "megatron-core-scaling"},
                                                   {"NeuSight", "neusight"},
                                                   {"vTrain, one node", "vtrain-one-node"},
                                                   {"vTrain, many nodes", "vtrain-many-nodes"}}};

}  // namespace

std::string FileOf(const std::string& source, const std::string& kind) {
  const auto known =
      std::find_if(kSources.begin(), kSources.end(), [&](const NamedSource& s) { return Mentions(source, s.word); });
  std::string file = known == kSources.end() ? Slug(source, "unnamed") : known->file;
  for (char& c : file) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return file + (kind == "dense" ? "" : "-" + kind);
}

ImportedRow Import(const PublishedRow& row) {
  const std::string preset = PresetOf(row);
  if (const auto [reason, detail] = ObjectionTo(row, preset); !reason.empty()) return LeftOut(reason, detail);
  const std::optional<PublishedCluster> cluster = ClusterOf(row);
  if (!cluster) return LeftOut("GPU unknown", row.gpu);
  const PublishedLayout layout = LayoutOf(row, preset);
  if (!layout.refused.empty()) return LeftOut(layout.refused, row.model);
  PublishedModel model = ModelOf(row);
  ImportedRow imported;
  imported.measured = MeasuredOf(row, preset, layout);
  imported.measured.proxy = Joined(Joined(FormatOf(row.precision).proxy, cluster->proxy), model.proxy);
  imported.scenario = ScenarioOf(row, preset, layout.degrees, *cluster, std::move(model.json));
  imported.measured.scenario = imported.scenario.find("name")->as<std::string>();
  const CheckedScenario checked = CheckScenario(imported.scenario, layout.degrees);
  if (!checked.refused.empty()) return LeftOut("refused by the program", checked.refused);
  imported.measured.device = checked.gpu;
  imported.measured.gpu_memory_bytes = checked.gpu_memory_bytes;
  return imported;
}

}  // namespace dflop
