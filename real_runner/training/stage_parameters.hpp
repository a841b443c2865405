// The parameters of one stage on a device, their gradients and optimizer state.
//
// A class Kernels::Storage keeps them in four arrays of one order (weights, gradients, two moments) and one of frozen
// weights. Offsets count values and are multiples of kAlignedValues:
//   Storage(Kernels&, trained values, frozen values, values of a gradient that nobody reads)
//   Value* trained(), Value* frozen(), float* gradients(), float* unread()
//   void SetTrained(offset, const std::vector<float>&), void SetFrozen(…)
//   void ClearGradients(), void StepOptimizer(step)      AdamW over everything that trains, step from 1
#pragma once

#include <algorithm>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "real_runner/training/parameter_list.hpp"
#include "real_runner/training/transformer_layer.hpp"

namespace dflop::training {

template <typename Kernels>
struct Parameter {
  ParameterShape shape;
  typename Kernels::Value* weight;
  float* gradient;  ///< of a frozen matrix nullptr; of a frozen norm a place that nobody reads
};

template <typename Kernels>
class StageParameters {
 public:
  using Value = typename Kernels::Value;

  StageParameters(Kernels& kernels, const ModelSpec& model, const std::vector<ModulePart>& parts, std::uint64_t seed)
      : all_(ListOf(model, parts)), sizes_(all_), storage_(kernels, sizes_.trained, sizes_.frozen, sizes_.widest_norm) {
    std::int64_t trained = 0;
    std::int64_t frozen = 0;
    for (Parameter<Kernels>& parameter : all_) {
      const std::int64_t size = Aligned(parameter.shape.values());
      const std::vector<float> first = FirstValues(parameter.shape, seed);
      if (parameter.shape.trainable) {
        parameter.weight = storage_.trained() + trained;
        parameter.gradient = storage_.gradients() + trained;
        storage_.SetTrained(std::exchange(trained, trained + size), first);
      } else {
        parameter.weight = storage_.frozen() + frozen;
        parameter.gradient = parameter.shape.norm ? storage_.unread() : nullptr;
        storage_.SetFrozen(std::exchange(frozen, frozen + size), first);
      }
    }
  }
  StageParameters(const StageParameters&) = delete;
  StageParameters& operator=(const StageParameters&) = delete;

  const std::vector<Parameter<Kernels>>& all() const { return all_; }
  /// nullptr where this stage has none.
  const Parameter<Kernels>* Find(const std::string& name) const {
    const auto found = std::find_if(all_.begin(), all_.end(), [&](const auto& p) { return p.shape.name == name; });
    return found == all_.end() ? nullptr : &*found;
  }
  /// The stage must hold it.
  const Parameter<Kernels>& At(const std::string& name) const {
    const Parameter<Kernels>* parameter = Find(name);
    DFLOP_CHECK(parameter != nullptr, "the stage has no " + name);
    return *parameter;
  }
  LayerTensors<Value> LayerWeightsAt(int module, int layer) const {
    const auto at = [&](const char* tensor) { return At(LayerTensorName(module, layer, tensor)).weight; };
    return {at("norm1"), at("qkv"), at("out"), at("norm2"), at("up"), at("down")};
  }
  LayerTensors<float> LayerGradientsAt(int module, int layer) const {
    const auto at = [&](const char* tensor) { return At(LayerTensorName(module, layer, tensor)).gradient; };
    return {at("norm1"), at("qkv"), at("out"), at("norm2"), at("up"), at("down")};
  }

  /// Of everything that trains, tensor after tensor; in the device's memory.
  std::span<float> gradients() { return {storage_.gradients(), static_cast<std::size_t>(sizes_.trained)}; }
  void ClearGradients() { storage_.ClearGradients(); }
  void StepOptimizer() { storage_.StepOptimizer(++steps_); }

 private:
  static std::int64_t Aligned(std::int64_t values) {
    constexpr std::int64_t kLine = Kernels::kAlignedValues;
    return (values + kLine - 1) / kLine * kLine;
  }
  static std::vector<Parameter<Kernels>> ListOf(const ModelSpec& model, const std::vector<ModulePart>& parts) {
    std::vector<Parameter<Kernels>> all;
    for (const ModulePart& part : parts) {
      for (ParameterShape& shape : ParametersOf(model, part)) all.push_back({std::move(shape), nullptr, nullptr});
    }
    return all;
  }

  struct Sizes {
    explicit Sizes(const std::vector<Parameter<Kernels>>& all) {
      for (const auto& [shape, weight, gradient] : all) {
        (shape.trainable ? trained : frozen) += Aligned(shape.values());
        if (shape.norm) widest_norm = std::max(widest_norm, shape.values());
      }
    }
    std::int64_t trained = 0;
    std::int64_t frozen = 0;
    std::int64_t widest_norm = 0;
  };

  std::vector<Parameter<Kernels>> all_;
  Sizes sizes_;
  typename Kernels::Storage storage_;
  int steps_ = 0;
};

}  // namespace dflop::training
