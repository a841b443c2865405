// Ends of a part whose layers go on in another stage: the hidden rows of a microbatch and their gradient.
#include "base/error.hpp"
#include "real_runner/cpu/part_ends.hpp"

namespace dflop::cpu {
namespace {

/// Rows that another stage has sent.
const float* Received(std::map<int, std::vector<float>>& received, int module, std::int64_t values) {
  const auto rows = received.find(module);
  DFLOP_CHECK(rows != received.end() && static_cast<std::int64_t>(rows->second.size()) == values,
              "the other stage's rows are there before they are used");
  return rows->second.data();
}

void Allocate(std::map<int, std::vector<float>>& made, int module, std::int64_t values) {
  made[module].assign(static_cast<std::size_t>(values), 0.F);
}

class HiddenInput final : public InputEnd {
 public:
  explicit HiddenInput(const PartContext& context) : module_(context.part.module), hidden_(context.hidden()) {}

  void Prepare(const PartStep& step) override {
    step_ = step;
    for (int k = 0; k < step.microbatches(); ++k) Allocate(step.mail_of(k).backward.made, module_, Values(k));
  }
  void CarveForward(int, Carver&) override {}
  void Forward(int) override {}
  const float* x(int k) override { return Received(step_.mail_of(k).forward.received, module_, Values(k)); }
  void CarveBackward(int, Carver&) override {}
  float* dx(int k) override { return step_.mail_of(k).backward.made.at(module_).data(); }
  void Backward(int, WeightsWhen) override {}
  void WeightGradient(int) override {}

 private:
  std::int64_t Values(int k) const { return step_.pack(k).tokens * hidden_; }

  int module_;
  std::int64_t hidden_;
  PartStep step_;
};

class HiddenOutput final : public OutputEnd {
 public:
  explicit HiddenOutput(const PartContext& context) : module_(context.part.module), hidden_(context.hidden()) {}

  void Prepare(const PartStep& step) override {
    step_ = step;
    for (int k = 0; k < step.microbatches(); ++k) Allocate(step.mail_of(k).forward.made, module_, Values(k));
  }
  void CarveForward(int, Carver&, Carver&, Carver&) override {}
  float* y(int k) override { return step_.mail_of(k).forward.made.at(module_).data(); }
  void Forward(int) override {}
  void CarveBackward(int, Carver&) override {}
  void Backward(int, WeightsWhen) override {}
  const float* dy(int k) override { return Received(step_.mail_of(k).backward.received, module_, Values(k)); }
  void WeightGradient(int) override {}

 private:
  std::int64_t Values(int k) const { return step_.pack(k).tokens * hidden_; }

  int module_;
  std::int64_t hidden_;
  PartStep step_;
};

}  // namespace

std::unique_ptr<InputEnd> MakeHiddenInput(const PartContext& context) { return std::make_unique<HiddenInput>(context); }
std::unique_ptr<OutputEnd> MakeHiddenOutput(const PartContext& context) {
  return std::make_unique<HiddenOutput>(context);
}

}  // namespace dflop::cpu
