// Fused attention by cuDNN's graph API, described through its header-only C++ frontend. Forward keeps the logarithm of
// each row's sum of exponentials, which backward needs instead of the probabilities.
#include <cudnn.h>
#include <cudnn_frontend.h>

#include <algorithm>
#include <cmath>
#include <unordered_map>

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

enum TensorId : std::int64_t { kQ = 1, kK, kV, kO, kStats, kSlopeO, kSlopeQ, kSlopeK, kSlopeV };

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
    DescribeForward();
    Accept(forward_.build(handle_, {fe::HeurMode_t::A}));
    std::int64_t bytes = forward_.get_workspace_size();
    if (backward) {
      DescribeBackward();
      Accept(backward_.build(handle_, {fe::HeurMode_t::A}));
      bytes = std::max(bytes, backward_.get_workspace_size());
    }
    workspace_ = DeviceBuffer(bytes);
  }

  std::string name() const override {
    const std::size_t version = cudnnGetVersion();
    return "cudnn " + std::to_string(version / 10000) + "." + std::to_string(version % 10000 / 100) + " sdpa";
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
  float Scale() const { return static_cast<float>(1 / std::sqrt(static_cast<double>(shape_.dim))); }

  void DescribeForward() {
    const Tensor q = Input(forward_, "q", kQ, QuerySizes(), Strides(shape_.q_stride));
    const Tensor k = Input(forward_, "k", kK, KeySizes(), Strides(shape_.kv_stride));
    const Tensor v = Input(forward_, "v", kV, KeySizes(), Strides(shape_.kv_stride));
    auto options = fe::graph::SDPA_attributes().set_name("forward").set_generate_stats(true).set_attn_scale(Scale());
    if (shape_.causal) options.set_causal_mask(true);
    const auto [o, stats] = forward_.sdpa(q, k, v, options);
    Output(o, kO, QuerySizes(), Strides(OutputStride()));
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
    auto options = fe::graph::SDPA_backward_attributes().set_name("backward").set_attn_scale(Scale());
    if (shape_.causal) options.set_causal_mask(true);
    const auto [dq, dk, dv] = backward_.sdpa_backward(q, k, v, o, slope, stats, options);
    Output(dq, kSlopeQ, QuerySizes(), Strides(shape_.q_stride));
    Output(dk, kSlopeK, KeySizes(), Strides(shape_.kv_stride));
    Output(dv, kSlopeV, KeySizes(), Strides(shape_.kv_stride));
  }

  void Execute(Graph& graph, std::unordered_map<std::int64_t, void*> tensors) {
    fe::error_t status = graph.execute(handle_, tensors, workspace_.data());
    if (status.is_bad()) throw RunError("cuDNN attention: " + status.get_message());
  }

  Device& device_;
  const AttentionShape shape_;
  cudnnHandle_t handle_ = nullptr;
  Graph forward_, backward_;
  DeviceBuffer workspace_;
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
