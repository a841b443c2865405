// How tensors go from rank to rank: a payload names where they are, and the receiver copies them, within a GPU or
// between two.
#include <map>
#include <utility>

#include "base/error.hpp"
#include "real_runner/cuda/training_kernels.hpp"

namespace dflop::cuda {
namespace {

/// A piece of a message where its sender has left it. Tiles have their places in rows of many.
struct DeviceTensor {
  int gpu = 0;
  int module = 0;
  bool projected = false;
  std::int64_t width = 0;
  std::shared_ptr<DeviceBuffer> memory;  ///< that `rows` lies in
  const Bf16* rows = nullptr;
  std::int64_t row_count = 0;
  std::map<std::pair<int, int>, std::int64_t> first_row{};  ///< by sample and tile
};

/// Copies of rows to one tensor, those that follow each other in one.
class Copies {
 public:
  Copies(int gpu, cudaStream_t stream) : gpu_(gpu), stream_(stream) {}

  void Add(const Bf16* from, int from_gpu, Bf16* to, std::int64_t values) {
    if (from_gpu == from_gpu_ && from == from_ + values_ && to == to_ + values_) {
      values_ += values;
      return;
    }
    Flush();
    from_ = from, from_gpu_ = from_gpu, to_ = to, values_ = values;
  }
  void Flush() {
    const std::size_t bytes = static_cast<std::size_t>(values_) * sizeof(Bf16);
    if (bytes == 0) return;
    if (from_gpu_ == gpu_) {
      DFLOP_CUDA_CHECK(cudaMemcpyAsync(to_, from_, bytes, cudaMemcpyDeviceToDevice, stream_));
    } else {
      DFLOP_CUDA_CHECK(cudaMemcpyPeerAsync(to_, gpu_, from_, from_gpu_, bytes, stream_));
    }
    values_ = 0;
  }

 private:
  int gpu_;
  cudaStream_t stream_;
  const Bf16* from_ = nullptr;
  int from_gpu_ = -1;
  Bf16* to_ = nullptr;
  std::int64_t values_ = 0;
};

/// Every payload that comes to a worker of this backend was packed by another.
const DeviceTensor& TensorOf(const std::shared_ptr<const void>& tensor) {
  return *static_cast<const DeviceTensor*>(tensor.get());
}

const DeviceTensor& Hidden(const Payload& payload, const Piece& piece) {
  for (const auto& tensor : payload.tensors) {
    const DeviceTensor& found = TensorOf(tensor);
    if (!found.projected && found.module == piece.module && found.row_count == piece.rows) return found;
  }
  throw RunError("a message came without its hidden rows");
}

struct TileSource {
  const DeviceTensor* tensor;
  const Bf16* rows;
};

TileSource Tile(const Payload& payload, int module, int sample, int tile) {
  for (const auto& tensor : payload.tensors) {
    const DeviceTensor& candidate = TensorOf(tensor);
    if (!candidate.projected || candidate.module != module) continue;
    const auto place = candidate.first_row.find({sample, tile});
    if (place != candidate.first_row.end()) return {&candidate, candidate.rows + place->second * candidate.width};
  }
  throw RunError("a message came without one of its tiles");
}

}  // namespace

void TrainingKernels::PackRows(const Piece& piece, Rows& rows, bool, Payload& payload) {
  auto tensor = std::make_shared<DeviceTensor>();
  *tensor = {gpu_, piece.module, false, piece.width, rows.memory(), rows.data(), piece.rows};
  payload.tensors.push_back(std::move(tensor));
}

void TrainingKernels::PackTiles(const Piece& piece, training::TileRows<TrainingKernels>& tiles, Payload& payload) {
  auto tensor = std::make_shared<DeviceTensor>();
  *tensor = {gpu_, piece.module, true, piece.width, tiles.rows.memory(), tiles.rows.data(), piece.rows};
  tiles.places.EachTile(piece, [&](int sample, int tile, const training::TilePlaces::Place& place, std::int64_t) {
    tensor->first_row[{sample, tile}] = place.first_row;
  });
  payload.tensors.push_back(std::move(tensor));
}

void TrainingKernels::Unpack(const Message& message, const Payload& payload, Traffic& traffic) {
  Copies copies(gpu_, stream());
  for (const Piece& piece : message.pieces) {
    if (!piece.projected) {
      const DeviceTensor& source = Hidden(payload, piece);
      auto& received = traffic.received[piece.module];
      DFLOP_CHECK(static_cast<std::int64_t>(received.rows.size()) == piece.values(), "the rows are expected");
      copies.Add(source.rows, source.gpu, received.rows.data(), piece.values());
      received.here = true;
      continue;
    }
    traffic.tiles.places.EachTile(
        piece, [&](int sample, int tile, const training::TilePlaces::Place& place, std::int64_t) {
          const TileSource source = Tile(payload, piece.module, sample, tile);
          copies.Add(source.rows, source.tensor->gpu, traffic.tiles.rows.data() + place.first_row * piece.width,
                     place.rows * piece.width);
        });
  }
  copies.Flush();
  device_->Synchronize();
}

}  // namespace dflop::cuda
