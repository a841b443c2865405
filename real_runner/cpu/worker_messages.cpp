// How the worker's tensors leave it and come to it: hidden rows as a whole, projected rows tile by tile.
#include <utility>

#include "base/error.hpp"
#include "real_runner/cpu/row_kernels.hpp"
#include "real_runner/cpu/worker.hpp"

namespace dflop::cpu {

/// In the order of the part's tokens: an encoder's own tiles, or all tiles of the LLM's samples.
void Worker::PlaceTiles(const StepProgram& program, const PlannedStep& planned, int s, HeldStage& held) const {
  const ModelSpec& model = plan_.model;
  const Stage& stage = plan_.layout.stages[static_cast<std::size_t>(s)];
  const auto rows = [&](int e) { return model.encoders[static_cast<std::size_t>(e)].projected_tokens_per_tile(); };
  for (std::size_t k = 0; k < held.mail.size(); ++k) {
    TileRows& tiles = held.mail[k].forward.tiles;
    tiles.Clear(model.llm.shape.hidden);
    for (const ModulePart& part : stage.parts) {
      const ModuleShare& share =
          program.shares[static_cast<std::size_t>(part.module)][static_cast<std::size_t>(stage.replica)][k];
      if (!model.is_llm(part.module) && part.has_output) {
        for (const TileRange& range : share.tiles) tiles.Add(part.module, range, rows(part.module));
      }
      if (!model.is_llm(part.module) || !part.has_input) continue;
      for (const int i : share.samples) {
        for (int e = 0; e < model.llm_module(); ++e) {
          const int count = planned.batch[static_cast<std::size_t>(i)].tiles[static_cast<std::size_t>(e)];
          tiles.Add(e, {i, 0, count}, rows(e));
        }
      }
    }
  }
  for (Mail& mail : held.mail) {
    mail.forward.tiles.Allocate();
    mail.backward.tiles = mail.forward.tiles;
  }
}

Traffic& Worker::TrafficOf(int stage, const Message& message) {
  Mail& mail = stages_.at(stage).mail[static_cast<std::size_t>(message.microbatch)];
  return message.backward ? mail.backward : mail.forward;
}

std::vector<float> Worker::Pack(const Message& message) {
  Traffic& traffic = TrafficOf(message.from_stage, message);
  const auto made = [&](const Piece& piece) -> std::vector<float>* {
    const auto rows = traffic.made.find(piece.module);
    const bool there = rows != traffic.made.end() && static_cast<std::int64_t>(rows->second.size()) == piece.values();
    return there ? &rows->second : nullptr;
  };
  if (message.pieces.size() == 1 && !message.pieces.front().projected && made(message.pieces.front()) != nullptr) {
    return std::move(*made(message.pieces.front()));
  }
  std::int64_t values = 0;
  for (const Piece& piece : message.pieces) values += piece.values();
  std::vector<float> packed(static_cast<std::size_t>(values));
  float* next = packed.data();
  for (const Piece& piece : message.pieces) {
    if (piece.projected) {
      traffic.tiles.Read(piece, next);
    } else {
      const std::vector<float>* rows = made(piece);
      DFLOP_CHECK(rows != nullptr, "a stage sends what it has made");
      Copy(rows->data(), next, piece.values());
    }
    next += piece.values();
  }
  return packed;
}

void Worker::Unpack(const Message& message, std::vector<float> values) {
  Traffic& traffic = TrafficOf(message.to_stage, message);
  if (message.pieces.size() == 1 && !message.pieces.front().projected) {
    traffic.received[message.pieces.front().module] = std::move(values);
    return;
  }
  const float* next = values.data();
  for (const Piece& piece : message.pieces) {
    if (piece.projected) {
      traffic.tiles.Write(piece, next);
    } else {
      traffic.received[piece.module].assign(next, next + piece.values());
    }
    next += piece.values();
  }
}

}  // namespace dflop::cpu
