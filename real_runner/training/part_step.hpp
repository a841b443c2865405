// What a stage's part knows of a step: its samples by microbatch, and the tensors that come and go.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "models/gradient_flow.hpp"
#include "real_runner/training/stage_parameters.hpp"
#include "real_runner/training/tile_rows.hpp"
#include "sim/plan/plan_file.hpp"

namespace dflop::training {

/// One direction of a stage's traffic for one microbatch: activations forward, gradients backward.
template <typename Kernels>
struct Traffic {
  struct Received {
    typename Kernels::Rows rows;
    bool here = false;
  };
  std::map<int, Received> received;  ///< hidden rows by module
  std::map<int, typename Kernels::Rows> made;
  TileRows<Kernels> tiles;  ///< projected rows, made here or received
};
template <typename Kernels>
struct Mail {
  Traffic<Kernels> forward;
  Traffic<Kernels> backward;
};

/// Fixed over the steps.
template <typename Kernels>
struct PartContext {
  Kernels& kernels;
  const ModelSpec& model;
  ModulePart part;
  int replica = 0;
  std::uint64_t seed = 0;
  bool recompute = false;
  StageParameters<Kernels>& parameters;

  GradientFlow flow() const { return GradientsOf(model, part.module); }
  const EncoderSpec& encoder() const { return model.encoders[static_cast<std::size_t>(part.module)]; }
  std::string prefix() const { return std::to_string(part.module) + "/"; }
  std::int64_t hidden() const { return model.shape(part.module).hidden; }
};

/// Of one step; valid until the next is prepared.
template <typename Kernels>
struct PartStep {
  const PlannedStep* planned = nullptr;
  std::size_t number = 0;
  std::vector<ModuleShare> shares{};           ///< [microbatch]
  std::vector<Pack> packs{};                   ///< [microbatch]
  std::vector<Mail<Kernels>>* mail = nullptr;  ///< [microbatch]

  const ModuleShare& share(int k) const { return shares[static_cast<std::size_t>(k)]; }
  const Pack& pack(int k) const { return packs[static_cast<std::size_t>(k)]; }
  Mail<Kernels>& mail_of(int k) const { return (*mail)[static_cast<std::size_t>(k)]; }
  const SampleShape& sample(int i) const { return planned->batch[static_cast<std::size_t>(i)]; }
  int microbatches() const { return static_cast<int>(packs.size()); }
};

/// An array that the host fills, with its length.
template <typename Kernels, typename T>
struct Listed {
  typename Kernels::template List<T> list;
  std::int64_t count = 0;

  void Set(Kernels& kernels, std::vector<T> values) {
    count = static_cast<std::int64_t>(values.size());
    kernels.Upload(list, std::move(values));
  }
  const T* data() const { return list.data(); }
};

}  // namespace dflop::training
