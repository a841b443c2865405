// The table of names, with layers and widths, by which a different model under a known name is noticed.
#include "models/release_names.hpp"

#include <algorithm>
#include <array>

#include "base/slug.hpp"

namespace dflop {
namespace {

struct Known {
  const char* family;
  const char* size;
  const char* ours;
  int layers;
  int hidden;
};
constexpr std::array<Known, 11> kKnown = {{{"siglip", "400m", "siglip-so400m", 27, 1152},
                                           {"siglip", "1b", "siglip-1b", 27, 1728},
                                           {"siglip", "6b", "siglip-2.4b", 40, 2304},
                                           {"internvit", "300m", "internvit-300m", 24, 1024},
                                           {"internvit", "1b", "internvit-1b", 28, 1792},
                                           {"internvit", "6b", "internvit-3.7b", 30, 3200},
                                           {"qwen2.5", "7b", "qwen2.5-7b", 28, 3584},
                                           {"qwen2.5", "32b", "qwen2.5-32b", 64, 5120},
                                           {"qwen2.5", "72b", "qwen2.5-72b", 80, 8192},
                                           {"llama3", "8b", "llama3-8b", 32, 4096},
                                           {"llama3", "70b", "llama3-70b", 80, 8192}}};

std::string FamilyAndSize(const std::string& name) {
  const auto known = std::find_if(kKnown.begin(), kKnown.end(), [&](const Known& k) { return name == k.ours; });
  if (known != kKnown.end()) return std::string(known->family) + "_" + known->size;
  return Slug(name, "model") + "_own";
}

}  // namespace

ReleaseNames ReleaseNamesOf(const ModelSpec& model) {
  const bool internvl = !model.encoders.empty() && model.encoders.front().tiling == Tiling::kInternVl;
  return {internvl ? "internvl" : "llavaov", model.encoders.empty() ? "" : FamilyAndSize(model.encoders.front().name),
          FamilyAndSize(model.llm.name)};
}

std::string WhyAnother(const std::string& family, const std::string& size, const TransformerShape& shape) {
  const auto known =
      std::find_if(kKnown.begin(), kKnown.end(), [&](const Known& k) { return family == k.family && size == k.size; });
  if (known == kKnown.end() || (known->layers == shape.layers && known->hidden == shape.hidden)) return "";
  return "has " + std::to_string(known->layers) + " layers of width " + std::to_string(known->hidden);
}

}  // namespace dflop
