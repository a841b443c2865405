// Ends of a part whose layers go on in another stage: the hidden rows of a microbatch and their gradient.
#pragma once

#include "base/error.hpp"
#include "real_runner/training/part_ends.hpp"

namespace dflop::training {

/// Of one direction of a boundary between stages: `made` here for the other stage, `received` from it.
template <typename Kernels>
class Boundary {
 public:
  using Value = typename Kernels::Value;

  explicit Boundary(const PartContext<Kernels>& context)
      : kernels_(context.kernels), module_(context.part.module), hidden_(context.hidden()) {}

  void Prepare(Traffic<Kernels>& out, Traffic<Kernels>& in, std::int64_t tokens) const {
    kernels_.Resize(out.made[module_], tokens * hidden_);
    kernels_.Expect(in.received[module_].rows, tokens * hidden_);
  }
  Value* Made(Traffic<Kernels>& out) const { return out.made.at(module_).data(); }
  const Value* Received(Traffic<Kernels>& in, std::int64_t tokens) const {
    const auto found = in.received.find(module_);
    DFLOP_CHECK(kernels_.rehearsing() || (found != in.received.end() && found->second.here &&
                                          static_cast<std::int64_t>(found->second.rows.size()) == tokens * hidden_),
                "the other stage's rows are there before they are used");
    return found->second.rows.data();
  }

 private:
  Kernels& kernels_;
  int module_;
  std::int64_t hidden_;
};

template <typename Kernels>
class HiddenInput final : public InputEnd<Kernels> {
 public:
  using Value = typename Kernels::Value;

  explicit HiddenInput(const PartContext<Kernels>& context) : boundary_(context) {}

  void Prepare(const PartStep<Kernels>& step) override {
    step_ = step;
    for (int k = 0; k < step.microbatches(); ++k) boundary_.Prepare(Backwards(k), Forwards(k), Tokens(k));
  }
  void CarveForward(int, Carver&) override {}
  void Forward(int) override {}
  const Value* x(int k) override { return boundary_.Received(Forwards(k), Tokens(k)); }
  void CarveBackward(int, Carver&) override {}
  Value* dx(int k) override { return boundary_.Made(Backwards(k)); }
  void Backward(int, WeightsWhen) override {}
  void WeightGradient(int) override {}

 private:
  Traffic<Kernels>& Forwards(int k) const { return step_.mail_of(k).forward; }
  Traffic<Kernels>& Backwards(int k) const { return step_.mail_of(k).backward; }
  std::int64_t Tokens(int k) const { return step_.pack(k).tokens; }

  Boundary<Kernels> boundary_;
  PartStep<Kernels> step_;
};

template <typename Kernels>
class HiddenOutput final : public OutputEnd<Kernels> {
 public:
  using Value = typename Kernels::Value;

  explicit HiddenOutput(const PartContext<Kernels>& context) : boundary_(context) {}

  void Prepare(const PartStep<Kernels>& step) override {
    step_ = step;
    for (int k = 0; k < step.microbatches(); ++k) boundary_.Prepare(Forwards(k), Backwards(k), Tokens(k));
  }
  void CarveForward(int, Carver&, Carver&, Carver&) override {}
  Value* y(int k) override { return boundary_.Made(Forwards(k)); }
  void Forward(int) override {}
  void CarveBackward(int, Carver&) override {}
  void Backward(int, WeightsWhen) override {}
  const Value* dy(int k) override { return boundary_.Received(Backwards(k), Tokens(k)); }
  void WeightGradient(int) override {}

 private:
  Traffic<Kernels>& Forwards(int k) const { return step_.mail_of(k).forward; }
  Traffic<Kernels>& Backwards(int k) const { return step_.mail_of(k).backward; }
  std::int64_t Tokens(int k) const { return step_.pack(k).tokens; }

  Boundary<Kernels> boundary_;
  PartStep<Kernels> step_;
};

}  // namespace dflop::training
