// Mixtures that are not in the table below are taken as the row gives them, and the result is called a proxy.
#include "experiments/published_runs/published_model.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <string_view>

namespace dflop {
namespace {

/// How a family's experts and attention are made, from its published configurations; 0 where a row says it.
struct KnownMixture {
  std::string_view model;  ///< begin of the name
  int count;
  int top_k;
  int expert_ffn;
  int shared;
  int every;
  int first_dense;
  int dense_ffn;  ///< of layers without experts
  int head_dim;
  int q_rank;  ///< of compressed queries (DeepSeek-V2, arXiv 2405.04434)
  bool latent;
};

// arXiv 2412.19437, 2405.04434, 2507.20534, 2502.16982, 2508.10925, 2505.09388, 2401.04088 and the published
// configurations of Llama 4; longer names stand before those that they begin with.
constexpr std::array<KnownMixture, 14> kMixtures = {{
    {"deepseek-v3", 256, 8, 2048, 1, 1, 3, 18432, 0, 1536, true},
    {"deepseek-v2-lite", 64, 6, 1408, 2, 1, 1, 10944, 0, 0, true},
    {"deepseek-v2", 160, 6, 1536, 2, 1, 1, 12288, 0, 1536, true},
    {"kimi-k2", 384, 8, 2048, 1, 1, 1, 18432, 0, 1536, true},
    {"moonlight", 64, 6, 1408, 2, 1, 1, 11264, 0, 0, true},
    {"gpt-oss", 0, 4, 2880, 0, 1, 0, 2880, 64, 0, false},
    {"llama4-scout", 16, 1, 8192, 1, 1, 0, 16384, 128, 0, false},
    {"llama4-maverick", 128, 1, 8192, 1, 2, 0, 16384, 128, 0, false},
    {"qwen3-235b", 128, 8, 1536, 0, 1, 0, 12288, 128, 0, false},
    {"qwen3-30b", 128, 8, 768, 0, 1, 0, 6144, 128, 0, false},
    {"mixtral-8x22b", 8, 2, 16384, 0, 1, 0, 16384, 128, 0, false},
    {"mixtral-8x7b", 8, 2, 14336, 0, 1, 0, 14336, 128, 0, false},
    {"mixtral", 8, 2, 0, 0, 1, 0, 0, 0, 0, false},
    {"qwen2-57b", 64, 8, 2560, 8, 1, 0, 18944, 128, 0, false},
}};

constexpr int kGptOssWindow = 128;  // of every second layer (arXiv 2508.10925)
constexpr int kUsualRank = 16;      // of adapters

bool BeginsWithAny(std::string_view name, std::initializer_list<std::string_view> begins) {
  return std::any_of(begins.begin(), begins.end(), [&](std::string_view begin) { return name.starts_with(begin); });
}

const KnownMixture* FindMixture(std::string_view model) {
  const auto found = std::find_if(kMixtures.begin(), kMixtures.end(),
                                  [&](const auto& known) { return model.starts_with(known.model); });
  return found == kMixtures.end() ? nullptr : &*found;
}

bool TiesEmbeddings(std::string_view name, bool gated) {
  if (BeginsWithAny(name, {"gpt-oss", "nemotron"})) return false;
  if (!gated) return true;
  return BeginsWithAny(name, {"llama3.2-1b", "llama3.2-3b", "gemma", "qwen2.5-0.5b", "qwen2.5-1.5b", "qwen2.5-3b",
                              "qwen3-0.6b", "qwen3-1.7b", "qwen3-4b"});
}

/// Width of a head where it is not hidden / heads; 0 where it is.
int OwnHeadDim(std::string_view name) {
  if (BeginsWithAny(name, {"gpt-oss"})) return 64;
  return BeginsWithAny(name, {"qwen3", "mistral-nemo", "mistral-small"}) ? 128 : 0;
}

Json Latent(int q_rank) {
  Json latent;
  if (q_rank > 0) latent["q_rank"] = q_rank;
  latent["kv_rank"] = 512;
  latent["rope_head_dim"] = 64;
  latent["nope_head_dim"] = 128;
  latent["v_head_dim"] = 128;
  return latent;
}

void AddKnownMixture(const PublishedRow& row, const KnownMixture& known, Json& llm) {
  Json experts;
  experts["count"] = row.experts > 0 ? row.experts : known.count;
  experts["top_k"] = row.top_k > 0 ? row.top_k : known.top_k;
  experts["ffn_hidden"] = known.expert_ffn > 0 ? known.expert_ffn : row.ffn;
  if (known.shared > 0) experts["shared"] = known.shared;
  if (known.every > 1) experts["every"] = known.every;
  if (known.first_dense > 0) experts["first_dense"] = known.first_dense;
  llm["experts"] = std::move(experts);
  if (known.dense_ffn > 0) llm["ffn_hidden"] = known.dense_ffn;
  if (known.head_dim > 0) llm["head_dim"] = known.head_dim;
  if (known.latent) llm["latent_attention"] = Latent(known.q_rank);
  if (known.model == "gpt-oss") {
    llm["window"] = kGptOssWindow;
    llm["window_every"] = 2;
  }
}

void AddMixture(const PublishedRow& row, Json& llm, std::string& proxy) {
  if (const KnownMixture* known = FindMixture(row.model)) {
    AddKnownMixture(row, *known, llm);
    const bool silent = !Mentions(row.notes, "MTP") && row.model.starts_with("deepseek-v3");
    if (silent) proxy = "multi-token prediction: not stated, none taken";
    return;
  }
  Json& experts = llm["experts"];
  experts["count"] = row.experts;
  experts["top_k"] = std::max(1, row.top_k);
  experts["ffn_hidden"] = row.ffn;
  proxy = "experts: every layer with experts as wide as ffn, none shared";
}

/// The number behind "rank ", else the usual one.
int RankIn(const std::string& notes, bool& stated) {
  const std::size_t at = notes.find("rank ");
  const int rank = at == std::string::npos ? 0 : std::atoi(notes.c_str() + at + 5);
  stated = rank > 0 && rank <= 1024;
  return stated ? rank : kUsualRank;
}

void AddAdapters(const PublishedRow& row, Json& llm, std::string& proxy) {
  bool stated = false;
  Json& lora = llm["lora"];
  lora["rank"] = RankIn(row.notes, stated);
  lora["targets"] = "all";
  if (!stated) proxy += std::string(proxy.empty() ? "" : "; ") + "adapters: rank 16 on every map taken";
}

}  // namespace

std::string WhyNoDecoder(const PublishedRow& row) {
  if (BeginsWithAny(row.model, {"nemotron-h", "nemotron3", "mamba", "jamba", "zamba", "qwen3-next"})) {
    return "the model has state-space or linear attention layers";
  }
  if (BeginsWithAny(row.model, {"vit", "wan", "flux", "stable-diffusion", "dit"}) || Mentions(row.notes, "diffusion")) {
    return "no language model";
  }
  if (BeginsWithAny(row.model, {"bert", "t5", "nemo-t5"})) return "no causal decoder";
  return "";
}

bool IsLora(const PublishedRow& row) {
  return Mentions(row.notes, "LoRA") || Mentions(row.framework, "LoRA") || Mentions(row.model, "lora");
}

PublishedModel ModelOf(const PublishedRow& row) {
  PublishedModel model;
  model.json["name"] = row.model.empty() ? "published" : row.model;
  const bool gated = row.experts > 0 || row.ffn != 4 * row.hidden;
  Json llm;
  llm["hidden"] = row.hidden;
  llm["ffn_hidden"] = row.ffn;
  llm["layers"] = row.layers;
  llm["heads"] = row.heads;
  llm["vocab"] = row.vocab;
  llm["gated_ffn"] = gated;
  llm["tied_embeddings"] = TiesEmbeddings(row.model, gated);
  if (const int head_dim = OwnHeadDim(row.model)) llm["head_dim"] = head_dim;
  if (row.experts > 0) AddMixture(row, llm, model.proxy);
  if (llm.find("latent_attention") == nullptr) llm["kv_heads"] = row.kv_heads;
  if (IsLora(row)) AddAdapters(row, llm, model.proxy);
  model.json["llm"] = std::move(llm);
  return model;
}

}  // namespace dflop
