// Operations are looked up by kind, stages and microbatch, as the plan's file lists them.
#include "real_runner/execute/spin_worker.hpp"

#include <algorithm>
#include <map>
#include <tuple>

#include "base/error.hpp"
#include "real_runner/kernels/steady_clock.hpp"

namespace dflop {
namespace {

using OperationName = std::tuple<OpKind, int, int, int>;  // stage, to stage, microbatch

/// Seconds of the operations of one name, in the plan's order: a hub's gathering and scattering share theirs.
std::map<OperationName, std::vector<double>> SecondsByName(const PlannedStep& step, double scale) {
  std::map<OperationName, std::vector<double>> seconds;
  for (const PlannedOperation& operation : step.operations) {
    seconds[{operation.kind, operation.stage, operation.to_stage, operation.microbatch}].push_back(
        scale * operation.time.value());
  }
  return seconds;
}

class SpinWorker final : public StageWorker {
 public:
  SpinWorker(const Plan& plan, SpinOptions options) : plan_(plan), options_(options) {}

  void Prepare(const StepProgram&, std::size_t step) override {
    seconds_ = SecondsByName(plan_.steps[step], options_.time_scale);
  }

  Span Run(const Action& action) override { return Last({action.kind, action.stage, -1, action.microbatch}); }
  Span StepOptimizer(int stage) override { return Last({OpKind::kOptimizerStep, stage, -1, -1}); }

  Payload Pack(const Message&) override { return {}; }
  void Unpack(const Message&, Payload) override {}
  std::span<float> CollectiveValues(Collective::What, int) override { return {}; }

 private:
  Span Last(const OperationName& name) const {
    const double start = NowSeconds();
    const double wanted = start + seconds_.at(name).front();
    WaitUntil(wanted, options_.precise);
    const double end = NowSeconds();
    return {start, end, end - wanted};
  }

  const Plan& plan_;
  SpinOptions options_;
  std::map<OperationName, std::vector<double>> seconds_;
};

OpKind KindOf(Collective::What what) {
  return what == Collective::What::kParameters ? OpKind::kParameterGather : OpKind::kGradientReduction;
}

/// All buckets of a reduction but the last, which goes when everything is done. Gradients are made as they are moved.
std::vector<LinkDelays::Bucket> BucketsBeside(const PlannedStep& step, const OperationName& name, double scale) {
  std::vector<LinkDelays::Bucket> buckets;
  double moved = 0;
  for (const PlannedOperation& operation : step.operations) {
    if (OperationName{operation.kind, operation.stage, operation.to_stage, operation.microbatch} != name) continue;
    moved += operation.bytes.value();
    buckets.push_back({moved, scale * operation.time.value()});
  }
  for (LinkDelays::Bucket& bucket : buckets) bucket.share /= moved;
  if (!buckets.empty()) buckets.pop_back();
  return buckets;
}

}  // namespace

std::unique_ptr<StageWorker> MakeSpinWorker(const Plan& plan, SpinOptions options) {
  return std::make_unique<SpinWorker>(plan, options);
}

LinkDelays PredictedLinks(const Plan& plan, std::size_t step, const StepProgram& program, SpinOptions options) {
  const auto seconds = SecondsByName(plan.steps[step], options.time_scale);
  const auto delay = [&](const OperationName& name, bool backward) {
    const auto found = seconds.find(name);
    if (found == seconds.end()) return 0.0;  // nothing travels: stages of one device
    return backward ? found->second.back() : found->second.front();
  };
  LinkDelays delays;
  delays.precise = options.precise;
  for (const Message& m : program.messages) {
    delays.messages.push_back(
        delay({OpKind::kTransfer, m.operation_stage, m.operation_to_stage, m.microbatch}, m.backward));
  }
  for (const Collective& c : program.collectives) {
    const OperationName name{KindOf(c.what), c.operation_stage, c.operation_to_stage, -1};
    delays.beside_backward.push_back(BucketsBeside(plan.steps[step], name, options.time_scale));
    delays.collectives.push_back(delay(name, !delays.beside_backward.back().empty()));
  }
  return delays;
}

}  // namespace dflop
