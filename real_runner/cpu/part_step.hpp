// What a stage's part knows of a step: its samples by microbatch, and the tensors that come and go.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "models/gradient_flow.hpp"
#include "real_runner/cpu/stage_parameters.hpp"
#include "real_runner/cpu/tile_rows.hpp"
#include "sim/plan_file.hpp"

namespace dflop::cpu {

/// One direction of a stage's traffic for one microbatch: activations forward, gradients backward.
struct Traffic {
  std::map<int, std::vector<float>> received;  ///< hidden rows by module
  std::map<int, std::vector<float>> made;
  TileRows tiles;  ///< projected rows, made here or received
};
struct Mail {
  Traffic forward;
  Traffic backward;
};

/// Fixed over the steps.
struct PartContext {
  const ModelSpec& model;
  ModulePart part;
  int replica = 0;
  std::uint64_t seed = 0;
  bool recompute = false;
  StageParameters& parameters;

  GradientFlow flow() const { return GradientsOf(model, part.module); }
  const EncoderSpec& encoder() const { return model.encoders[static_cast<std::size_t>(part.module)]; }
  std::string prefix() const { return std::to_string(part.module) + "/"; }
  std::int64_t hidden() const { return model.shape(part.module).hidden; }
};

/// Of one step; valid until the next is prepared.
struct PartStep {
  const PlannedStep* planned = nullptr;
  std::size_t number = 0;
  std::vector<ModuleShare> shares{};  ///< [microbatch]
  std::vector<Pack> packs{};          ///< [microbatch]
  std::vector<Mail>* mail = nullptr;  ///< [microbatch]

  const ModuleShare& share(int k) const { return shares[static_cast<std::size_t>(k)]; }
  const Pack& pack(int k) const { return packs[static_cast<std::size_t>(k)]; }
  Mail& mail_of(int k) const { return (*mail)[static_cast<std::size_t>(k)]; }
  const SampleShape& sample(int i) const { return planned->batch[static_cast<std::size_t>(i)]; }
  int microbatches() const { return static_cast<int>(packs.size()); }
};

/// Tiles of a list of ranges.
inline std::int64_t TilesIn(const std::vector<TileRange>& ranges) {
  std::int64_t tiles = 0;
  for (const TileRange& range : ranges) tiles += range.count;
  return tiles;
}

}  // namespace dflop::cpu
