// What a device may count on: a step is rehearsed with the very operations that then run, and nothing touches memory in
// a rehearsal. Shown with the CPU's kernels, which need no rehearsal themselves.
#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <string>
#include <type_traits>
#include <utility>

#include "tests/real_runner/worker_driver.hpp"

namespace dflop {
namespace {

struct OperationLog {
  std::set<std::string> rehearsed;
  std::set<std::string> surprises;  ///< ran without having been rehearsed
  int ran = 0;
};

/// Notes every operation and its sizes, and computes only where it is no rehearsal.
class LoggedKernels : public cpu::TrainingKernels {
 public:
  using Traffic = training::Traffic<LoggedKernels>;
  using Base = cpu::TrainingKernels;

  explicit LoggedKernels(std::shared_ptr<OperationLog> log) : log_(std::move(log)) {}

  template <typename Body>
  Span Time(const Body& body) {
    body();  // in a rehearsal too, as devices do
    return {};
  }

  // clang-format off
  template <typename... A> void Norm(A&&... a) { Do("norm", [&] { Base::Norm(a...); }, a...); }
  template <typename... A> void NormBackward(A&&... a) { Do("norm'", [&] { Base::NormBackward(a...); }, a...); }
  template <typename... A> void Linear(A&&... a) { Do("linear", [&] { Base::Linear(a...); }, a...); }
  template <typename... A> void LinearInput(A&&... a) { Do("dx", [&] { Base::LinearInput(a...); }, a...); }
  template <typename... A> void LinearWeight(A&&... a) { Do("dw", [&] { Base::LinearWeight(a...); }, a...); }
  template <typename... A> void Rotate(A&&... a) { Do("rotate", [&] { Base::Rotate(a...); }, a...); }
  template <typename... A> void AttentionForward(A&&... a) { Do("att", [&] { Base::AttentionForward(a...); }, a...); }
  template <typename... A> void AttentionBackward(A&&... a) { Do("att'", [&] { Base::AttentionBackward(a...); }, a...); }
  template <typename... A> void Activation(A&&... a) { Do("act", [&] { Base::Activation(a...); }, a...); }
  template <typename... A> void ActivationBackward(A&&... a) { Do("act'", [&] { Base::ActivationBackward(a...); }, a...); }
  template <typename... A> void Silu(A&&... a) { Do("silu", [&] { Base::Silu(a...); }, a...); }
  template <typename... A> void SiluBackward(A&&... a) { Do("silu'", [&] { Base::SiluBackward(a...); }, a...); }
  template <typename... A> void Add(A&&... a) { Do("add", [&] { Base::Add(a...); }, a...); }
  template <typename... A> void Copy(A&&... a) { Do("copy", [&] { Base::Copy(a...); }, a...); }
  template <typename... A> void RowSums(A&&... a) { Do("sums", [&] { Base::RowSums(a...); }, a...); }
  template <typename... A> void AddRepeated(A&&... a) { Do("repeat", [&] { Base::AddRepeated(a...); }, a...); }
  template <typename... A> void SumRepeated(A&&... a) { Do("repeat'", [&] { Base::SumRepeated(a...); }, a...); }
  template <typename... A> void Embed(A&&... a) { Do("embed", [&] { Base::Embed(a...); }, a...); }
  template <typename... A> void EmbedBackward(A&&... a) { Do("embed'", [&] { Base::EmbedBackward(a...); }, a...); }
  template <typename... A> void CrossEntropy(A&&... a) { Do("loss", [&] { Base::CrossEntropy(a...); }, a...); }
  template <typename... A> void AddWeighted(A&&... a) { Do("weigh", [&] { Base::AddWeighted(a...); }, a...); }
  // clang-format on

  /// Values in the order of the pieces, tile after tile.
  void PackRows(const Piece&, Rows& rows, bool, Payload& payload) {
    payload.values.insert(payload.values.end(), rows.begin(), rows.end());
  }
  void PackTiles(const Piece& piece, training::TileRows<LoggedKernels>& tiles, Payload& payload) {
    tiles.places.EachTile(piece, [&](int, int, const training::TilePlaces::Place& place, std::int64_t) {
      const float* first = tiles.rows.data() + place.first_row * tiles.width;
      payload.values.insert(payload.values.end(), first, first + place.rows * tiles.width);
    });
  }
  void Unpack(const Message& message, const Payload& payload, Traffic& traffic) {
    const float* next = payload.values.data();
    for (const Piece& piece : message.pieces) {
      if (piece.projected) {
        traffic.tiles.places.EachTile(piece, [&](int, int, const training::TilePlaces::Place& place, std::int64_t row) {
          std::copy_n(next + row * piece.width, place.rows * piece.width,
                      traffic.tiles.rows.data() + place.first_row * piece.width);
        });
      } else {
        auto& received = traffic.received[piece.module];
        received.rows.assign(next, next + piece.values());
        received.here = true;
      }
      next += piece.values();
    }
  }

 private:
  template <typename T>
  static std::string Word(const T& value) {
    if constexpr (std::is_integral_v<T>) {
      return std::to_string(value) + " ";
    } else if constexpr (std::is_same_v<T, training::Pack>) {
      std::string word;
      for (const std::int64_t length : value.lengths) word += std::to_string(length) + "+";
      return word + " ";
    } else {
      return "";  // tensors
    }
  }

  template <typename Compute, typename... A>
  void Do(const char* name, const Compute& compute, const A&... arguments) {
    const std::string operation = name + (std::string(" ") + ... + Word(arguments));
    if (rehearsing()) {
      log_->rehearsed.insert(operation);
      return;
    }
    ++log_->ran;
    if (!log_->rehearsed.contains(operation)) log_->surprises.insert(operation);
    compute();
  }

  std::shared_ptr<OperationLog> log_;
};

/// One rank's program, whose messages all go to itself.
template <typename Worker>
void RunAlone(const Plan& plan, Worker& worker) {
  const StepProgram program = MakeStepProgram(plan, 0);
  worker.Prepare(program, 0);
  std::vector<Payload> payloads(program.messages.size());
  for (const Action& action : program.ranks[0].actions) {
    for (const int m : action.receives) worker.Unpack(program.messages[Index(m)], std::move(payloads[Index(m)]));
    worker.Run(action);
    for (const int m : action.sends) payloads[Index(m)] = worker.Pack(program.messages[Index(m)]);
  }
}

TEST(Rehearsal, EveryOperationOfAStepIsRehearsedAndNothingElseIsTouched) {
  const std::string audio = R"({"name": "audio", "modality": "audio", "hidden": 16, "ffn_hidden": 24, "layers": 1,
                                "heads": 2, "projector": "linear"})";
  const struct {
    std::string encoder;
    std::vector<SampleShape> batch;
  } cases[] = {{MicroEncoder("eye"), {{{2}, 13, 5}, {{1}, 13, 3}, {{3}, 9, 2}, {{1}, 6, 6}}},
               {MicroEncoder("eye", R"(, "tiling": "llava-onevision", "frozen": true)"), {{{1}, 13, 5}, {{2}, 20, 8}}},
               {audio, {{{1}, 40, 8}}}};
  for (const auto& [encoder, batch] : cases) {
    const ModelSpec model = MicroModel(encoder);
    HomogeneousDegrees degrees;
    BatchPlan assignment;
    assignment.buckets.resize(1);
    for (std::size_t i = 0; i < batch.size(); ++i) assignment.buckets[0].push_back({static_cast<int>(i)});
    degrees.microbatches = static_cast<int>(batch.size());
    Plan plan = MicroPlan(model, BuildLayout(degrees, model, A100Nodes(1)), batch, {assignment});
    for (const Recompute recompute : {Recompute::kNone, Recompute::kFull}) {
      plan.software.recompute = recompute;
      const auto log = std::make_shared<OperationLog>();
      training::Worker<LoggedKernels> logged(LoggedKernels(log), plan, 0);
      RunAlone(plan, logged);
      EXPECT_GT(log->ran, 30);
      EXPECT_EQ(log->surprises, std::set<std::string>());
      cpu::Worker plain(plan, 0);
      RunAlone(plan, plain);
      EXPECT_EQ(logged.loss(), plain.loss());
    }
  }
}

}  // namespace
}  // namespace dflop
