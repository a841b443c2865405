// What is trained: encoders, their projectors, and one LLM. A text-only LLM is the case without encoders.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/json_reader.hpp"
#include "models/transformer_shape.hpp"

namespace dflop {

enum class Modality { kVision, kAudio };

/// How images become tiles (models/sample_shape).
enum class Tiling { kLlavaOneVision, kLlavaOneVisionDflop, kInternVl, kWhisper, kLlamaVision };

struct EncoderSpec {
  std::string name;
  Modality modality = Modality::kVision;
  TransformerShape shape;
  int patch_px = 14;  ///< vision only
  int tile_px = 384;  ///< vision only
  Tiling tiling = Tiling::kLlavaOneVision;
  int projector_layers = 2;  ///< linear layers of the projector into the LLM's width; 0 = none
  bool frozen = false;       ///< all weights but adapters, which make it true
  bool projector_frozen = false;
  bool class_token = false;  ///< vision only: one more token a tile, which the projector sees as well
  /// Layers, rising and counted from 0, whose outputs enter the projector beside the last one's.
  std::vector<int> joined_layers{};

  /// Tokens that the encoder sees per tile: (tile/patch)², one more with a class token, or 1,500 per 30 s window of
  /// audio.
  int tokens_per_tile() const;
  /// Tokens per tile that leave the projector, before any pooling inside the LLM's input: InternVL's pixel shuffle
  /// divides by 4, Whisper's pooling by 2.
  int projected_tokens_per_tile() const;
  /// Values in one patch (3·patch²), the input width of the patch embedding. For audio, Whisper's two convolutions of
  /// width 3 seen as one GEMM of the same FLOPs per token: 3·(2·128 mel bins + hidden).
  int patch_values() const;
  /// Width of a token that enters the projector: InternVL's pixel shuffle joins four, joined_layers add one each.
  int projector_input_width() const;
  /// Outputs of layers that a token has on its way to layer `next`: the last one's, and those that are joined to it.
  int outputs_before(int next) const;
};

struct LlmSpec {
  std::string name;
  TransformerShape shape;
  int vocab = 0;
  bool tied_embeddings = false;
  bool frozen = false;  ///< all weights but adapters, which make it true
  /// Multi-token prediction (arXiv 2412.19437, section 2.2): so many tokens beyond the next one are predicted, each by
  /// one more layer like the last, a 2·hidden → hidden projection before it and the head behind it.
  int multi_token_depth = 0;
};

/// Modules are numbered encoders first (0 … E−1), then the LLM (E).
struct ModelSpec {
  std::string name;
  std::string source;
  std::vector<EncoderSpec> encoders;
  LlmSpec llm;

  int module_count() const { return static_cast<int>(encoders.size()) + 1; }
  int llm_module() const { return static_cast<int>(encoders.size()); }
  bool is_llm(int module) const { return module == llm_module(); }
  const TransformerShape& shape(int module) const {
    return is_llm(module) ? llm.shape : encoders[static_cast<std::size_t>(module)].shape;
  }
  const std::string& module_name(int module) const {
    return is_llm(module) ? llm.name : encoders[static_cast<std::size_t>(module)].name;
  }
};

/// "llava-onevision", …, as models and results name it.
std::string TilingName(Tiling tiling);

/// A built-in model by name ("llava-ov-siglip-2.4b-llama3-8b", "qwen2.5-7b"); {"name": built-in, "frozen": […],
/// "tiling": NAME, "lora": {"encoder": …, "llm": …}} with any of "encoder", "projector", "llm" frozen, another rule for
/// its images and adapters beside either; an inline object (keys as in ToJson); or {"file": …} (dflop/model/1).
ModelSpec ReadModel(const JsonReader& json);
ModelSpec BuiltInModel(const std::string& name);  ///< InputError when there is none
std::vector<std::string> BuiltInModelNames();
/// One line on where a built-in's figures come from.
std::string ModelSource(const std::string& name);

Json ToJson(const ModelSpec& model);

}  // namespace dflop
