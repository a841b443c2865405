// A pack of unequal sequences where no kernel takes it whole: one call for each of them, fused or not. Host time
// between the calls is in no figure, as in all timings here (timing.hpp).
#include <map>
#include <set>

#include "real_runner/cuda/attention.hpp"

namespace dflop::cuda {
namespace {

constexpr std::int64_t kAlignment = 256;

class AttentionPerSequence final : public Attention {
 public:
  AttentionPerSequence(Device& device, const AttentionShape& shape, bool backward, const std::string& why)
      : shape_(shape), why_(why) {
    for (const std::int64_t length : shape.lengths) {
      std::unique_ptr<Attention>& attention = by_length_[length];
      if (attention) continue;
      AttentionShape one = shape;
      one.batch = 1;
      one.seq = length;
      one.lengths.clear();
      attention = MakeAttention(device, one, backward);
    }
  }

  std::string name() const override {
    std::set<std::string> names;  // a length may be fused and another not
    for (const auto& [length, attention] : by_length_) names.insert(attention->name());
    std::string joined;
    for (const std::string& name : names) joined += (joined.empty() ? "" : ", ") + name;
    return "one call per sequence of " + joined + (why_.empty() ? "" : " (" + why_ + ")");
  }

  std::int64_t state_bytes() const override {
    std::int64_t sum = 0;
    for (const std::int64_t length : shape_.lengths) sum += StateBytes(length);
    return sum;
  }

  void Forward(const AttentionTensors& tensors) override {
    Each(tensors, [](Attention& attention, const AttentionTensors& part) { attention.Forward(part); });
  }
  void Backward(const AttentionTensors& tensors) override {
    Each(tensors, [](Attention& attention, const AttentionTensors& part) { attention.Backward(part); });
  }

 private:
  std::int64_t StateBytes(std::int64_t length) const {
    return (by_length_.at(length)->state_bytes() + kAlignment - 1) / kAlignment * kAlignment;
  }

  template <typename Body>
  void Each(const AttentionTensors& whole, const Body& body) {
    std::int64_t token = 0, state = 0;
    for (const std::int64_t length : shape_.lengths) {
      AttentionTensors part = whole;
      const std::int64_t q = token * shape_.q_stride, kv = token * shape_.kv_stride;
      const std::int64_t o = token * shape_.heads * shape_.dim;
      part.q += q, part.k += kv, part.v += kv, part.o += o;
      part.state = static_cast<char*>(whole.state) + state;
      if (whole.d_o != nullptr) part.d_o += o, part.dq += q, part.dk += kv, part.dv += kv;
      body(*by_length_.at(length), part);
      token += length;
      state += StateBytes(length);
    }
  }

  const AttentionShape shape_;
  const std::string why_;
  std::map<std::int64_t, std::unique_ptr<Attention>> by_length_;
};

}  // namespace

std::unique_ptr<Attention> MakeAttentionPerSequence(Device& device, const AttentionShape& shape, bool backward,
                                                    const std::string& why) {
  return std::make_unique<AttentionPerSequence>(device, shape, backward, why);
}

}  // namespace dflop::cuda
