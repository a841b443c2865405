// Fused attention by cuDNN's graph API, described through its header-only C++ frontend. Forward keeps the logarithm of
// each row's sum of exponentials, which backward needs instead of the probabilities.
//
// A pack of unequal sequences is a batch as long as its longest one, of which cuDNN is told where each sequence begins
// (ragged offsets, in elements) and how long it is (padding mask). The statistics stay padded: not every GPU has them
// ragged.
#include <cudnn.h>
#include <cudnn_frontend.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <unordered_map>
#include <vector>

#include "real_runner/cuda/attention.hpp"

namespace dflop::cuda {

struct CudnnHandle {
  CudnnHandle() {
    if (cudnnCreate(&handle) != CUDNN_STATUS_SUCCESS) handle = nullptr;
  }
  ~CudnnHandle() {
    if (handle != nullptr) cudnnDestroy(handle);
  }
  CudnnHandle(const CudnnHandle&) = delete;
  CudnnHandle& operator=(const CudnnHandle&) = delete;
  cudnnHandle_t handle = nullptr;
};

namespace {

namespace fe = cudnn_frontend;
using Graph = fe::graph::Graph;
using Tensor = std::shared_ptr<fe::graph::Tensor_attributes>;
using Sizes = std::vector<std::int64_t>;

// clang-format off
enum TensorId : std::int64_t {
  kQ = 1, kK, kV, kO, kStats, kSlopeO, kSlopeQ, kSlopeK, kSlopeV,
  kLengthsQ, kLengthsK, kFirstQ, kFirstK, kFirstV, kFirstO  // of a pack: int32
};
// clang-format on

/// What cuDNN cannot do, in its own words; the caller falls back.
class Refused : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

void Accept(fe::error_t status) {
  if (status.is_bad()) throw Refused(status.get_message());
}

class FusedAttention final : public Attention {
 public:
  FusedAttention(Device& device, const AttentionShape& shape, bool backward)
      : device_(device), shape_(shape), forward_(NewGraph()), backward_(NewGraph()) {
    if (device.cudnn == nullptr) device.cudnn = std::make_shared<CudnnHandle>();
    handle_ = device.cudnn->handle;
    if (handle_ == nullptr || cudnnSetStream(handle_, device.stream()) != CUDNN_STATUS_SUCCESS) {
      throw Refused("cuDNN does not start");
    }
    if (packed()) PlacePack();
    DescribeForward();
    Accept(forward_.build(handle_, {fe::HeurMode_t::A}));
    std::int64_t bytes = forward_.get_workspace_size();
    if (backward) {
      DescribeBackward();
      Accept(backward_.build(handle_, {fe::HeurMode_t::A}));
      bytes = std::max(bytes, backward_.get_workspace_size());
    }
    workspace_bytes_ = bytes;
    device.Scratch(bytes);
  }

  std::string name() const override {
    const std::size_t version = cudnnGetVersion();
    return "cudnn " + std::to_string(version / 10000) + "." + std::to_string(version % 10000 / 100) + " sdpa" +
           (packed() ? ", ragged" : "");
  }
  std::int64_t state_bytes() const override {
    return shape_.batch * shape_.heads * shape_.seq * static_cast<std::int64_t>(sizeof(float));
  }

  void Forward(const AttentionTensors& t) override {
    Execute(forward_, {{kQ, Writable(t.q)}, {kK, Writable(t.k)}, {kV, Writable(t.v)}, {kO, t.o}, {kStats, t.state}});
  }
  void Backward(const AttentionTensors& t) override {
    Execute(backward_, {{kQ, Writable(t.q)},
                        {kK, Writable(t.k)},
                        {kV, Writable(t.v)},
                        {kO, t.o},
                        {kStats, t.state},
                        {kSlopeO, Writable(t.d_o)},
                        {kSlopeQ, t.dq},
                        {kSlopeK, t.dk},
                        {kSlopeV, t.dv}});
  }

 private:
  static Graph NewGraph() {
    Graph graph;
    graph.set_io_data_type(fe::DataType_t::BFLOAT16)
        .set_intermediate_data_type(fe::DataType_t::FLOAT)
        .set_compute_data_type(fe::DataType_t::FLOAT);
    return graph;
  }

  /// cuDNN's variant pack has no const; it does not write to inputs.
  static void* Writable(const Bf16* input) { return const_cast<Bf16*>(input); }

  // Dimensions are [batch, heads, seq, dim] for cuDNN; the strides say how they lie.
  Sizes QuerySizes() const { return {shape_.batch, shape_.heads, shape_.seq, shape_.dim}; }
  Sizes KeySizes() const { return {shape_.batch, shape_.kv_heads, shape_.seq, shape_.dim}; }
  Sizes StatSizes() const { return {shape_.batch, shape_.heads, shape_.seq, 1}; }
  Sizes Strides(std::int64_t token_stride) const { return {shape_.seq * token_stride, shape_.dim, token_stride, 1}; }
  Sizes StatStrides() const { return {shape_.heads * shape_.seq, shape_.seq, 1, 1}; }
  std::int64_t OutputStride() const { return shape_.heads * shape_.dim; }

  static Tensor Input(Graph& graph, const char* name, TensorId id, const Sizes& sizes, const Sizes& strides) {
    return graph.tensor(fe::graph::Tensor_attributes().set_name(name).set_uid(id).set_dim(sizes).set_stride(strides));
  }
  static void Output(const Tensor& tensor, TensorId id, const Sizes& sizes, const Sizes& strides) {
    tensor->set_output(true).set_uid(id).set_dim(sizes).set_stride(strides);
  }
  bool packed() const { return !shape_.lengths.empty(); }

  /// To the device: the lengths, and where each sequence of q (and o) and of k (and v) begins; one more, where they
  /// end.
  void PlacePack() {
    std::vector<std::int32_t> lengths, q = {0}, k = {0};
    std::int64_t tokens = 0;
    for (const std::int64_t length : shape_.lengths) {
      tokens += length;
      lengths.push_back(static_cast<std::int32_t>(length));
      q.push_back(static_cast<std::int32_t>(tokens * shape_.q_stride));
      k.push_back(static_cast<std::int32_t>(tokens * shape_.kv_stride));
    }
    if (tokens * shape_.q_stride > std::numeric_limits<std::int32_t>::max()) {
      throw Refused("a pack of more than 2^31 elements");
    }
    tokens_ = tokens;
    lengths_ = OnDevice(lengths);
    first_q_ = OnDevice(q);
    first_k_ = OnDevice(k);
  }

  static DeviceBuffer OnDevice(const std::vector<std::int32_t>& values) {
    DeviceBuffer buffer(static_cast<std::int64_t>(values.size() * sizeof values[0]));
    DFLOP_CUDA_CHECK(
        cudaMemcpy(buffer.data(), values.data(), static_cast<std::size_t>(buffer.bytes()), cudaMemcpyHostToDevice));
    return buffer;
  }

  /// `count` integers of a pack.
  static Tensor Integers(Graph& graph, const char* name, TensorId id, std::int64_t count) {
    const Tensor tensor = Input(graph, name, id, {count, 1, 1, 1}, {1, 1, 1, 1});
    tensor->set_data_type(fe::DataType_t::INT32);
    return tensor;
  }

  /// Where the sequences of each tensor begin; null for a batch of equal ones.
  struct Offsets {
    Tensor q, k, v, o;
  };
  Offsets DescribeOffsets(Graph& graph) const {
    if (!packed()) return {};
    const std::int64_t count = shape_.batch + 1;
    return {Integers(graph, "first q", kFirstQ, count), Integers(graph, "first k", kFirstK, count),
            Integers(graph, "first v", kFirstV, count), Integers(graph, "first o", kFirstO, count)};
  }
  static void Ragged(const Tensor& tensor, const Tensor& offset) {
    if (offset) tensor->set_ragged_offset(offset);
  }
  template <typename Options>
  void MaskPadding(Graph& graph, Options& options) const {
    if (!packed()) return;
    options.set_padding_mask(true)
        .set_seq_len_q(Integers(graph, "lengths q", kLengthsQ, shape_.batch))
        .set_seq_len_kv(Integers(graph, "lengths k", kLengthsK, shape_.batch));
  }

  float Scale() const { return static_cast<float>(1 / std::sqrt(static_cast<double>(shape_.dim))); }

  void DescribeForward() {
    const Tensor q = Input(forward_, "q", kQ, QuerySizes(), Strides(shape_.q_stride));
    const Tensor k = Input(forward_, "k", kK, KeySizes(), Strides(shape_.kv_stride));
    const Tensor v = Input(forward_, "v", kV, KeySizes(), Strides(shape_.kv_stride));
    const Offsets first = DescribeOffsets(forward_);
    Ragged(q, first.q), Ragged(k, first.k), Ragged(v, first.v);
    auto options = fe::graph::SDPA_attributes().set_name("forward").set_generate_stats(true).set_attn_scale(Scale());
    if (shape_.causal) options.set_causal_mask(true);
    MaskPadding(forward_, options);
    const auto [o, stats] = forward_.sdpa(q, k, v, options);
    Output(o, kO, QuerySizes(), Strides(OutputStride()));
    Ragged(o, first.o);
    Output(stats, kStats, StatSizes(), StatStrides());
    stats->set_data_type(fe::DataType_t::FLOAT);
  }

  void DescribeBackward() {
    const Tensor q = Input(backward_, "q", kQ, QuerySizes(), Strides(shape_.q_stride));
    const Tensor k = Input(backward_, "k", kK, KeySizes(), Strides(shape_.kv_stride));
    const Tensor v = Input(backward_, "v", kV, KeySizes(), Strides(shape_.kv_stride));
    const Tensor o = Input(backward_, "o", kO, QuerySizes(), Strides(OutputStride()));
    const Tensor slope = Input(backward_, "do", kSlopeO, QuerySizes(), Strides(OutputStride()));
    const Tensor stats = Input(backward_, "stats", kStats, StatSizes(), StatStrides());
    stats->set_data_type(fe::DataType_t::FLOAT);
    const Offsets first = DescribeOffsets(backward_);
    Ragged(q, first.q), Ragged(k, first.k), Ragged(v, first.v), Ragged(o, first.o), Ragged(slope, first.o);
    auto options = fe::graph::SDPA_backward_attributes().set_name("backward").set_attn_scale(Scale());
    if (shape_.causal) options.set_causal_mask(true);
    MaskPadding(backward_, options);
    if (packed()) options.set_max_total_seq_len_q(tokens_).set_max_total_seq_len_kv(tokens_);
    const auto [dq, dk, dv] = backward_.sdpa_backward(q, k, v, o, slope, stats, options);
    Output(dq, kSlopeQ, QuerySizes(), Strides(shape_.q_stride));
    Output(dk, kSlopeK, KeySizes(), Strides(shape_.kv_stride));
    Output(dv, kSlopeV, KeySizes(), Strides(shape_.kv_stride));
    Ragged(dq, first.q), Ragged(dk, first.k), Ragged(dv, first.v);
  }

  void Execute(Graph& graph, std::unordered_map<std::int64_t, void*> tensors) {
    if (packed()) {
      for (const TensorId id : {kLengthsQ, kLengthsK}) tensors[id] = lengths_.data();
      for (const TensorId id : {kFirstQ, kFirstO}) tensors[id] = first_q_.data();
      for (const TensorId id : {kFirstK, kFirstV}) tensors[id] = first_k_.data();
    }
    fe::error_t status = graph.execute(handle_, tensors, device_.Scratch(workspace_bytes_));
    // Listed, not fatal: if the device itself is lost, the next call says so.
    if (status.is_bad()) throw Unsupported("cuDNN attention: " + status.get_message());
  }

  Device& device_;
  const AttentionShape shape_;
  cudnnHandle_t handle_ = nullptr;
  Graph forward_, backward_;
  std::int64_t workspace_bytes_ = 0;
  std::int64_t tokens_ = 0;                   ///< of a pack
  DeviceBuffer lengths_, first_q_, first_k_;  ///< of a pack
};

}  // namespace

std::unique_ptr<Attention> MakeFusedAttention(Device& device, const AttentionShape& shape, bool backward,
                                              std::string& why) {
  try {
    return std::make_unique<FusedAttention>(device, shape, backward);
  } catch (const Refused& refused) {
    why = std::string("cuDNN: ") + refused.what();
    return nullptr;
  }
}

}  // namespace dflop::cuda
