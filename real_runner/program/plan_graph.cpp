// Kernel costs that refuse every question make sure that nothing here is priced anew.
#include "real_runner/program/plan_graph.hpp"

#include <memory>
#include <utility>

#include "base/error.hpp"
#include "base/index.hpp"
#include "sim/build/graph_builder.hpp"

namespace dflop {
namespace {

class NoKernelCosts final : public KernelCosts {
 public:
  explicit NoKernelCosts(GpuSpec gpu) : gpu_(std::move(gpu)) {}
  KernelCost Gemm(double, double, double, Pass) const override { Refuse(); }
  KernelCost Attention(const AttentionShape&, Pass) const override { Refuse(); }
  KernelCost MemoryBound(Bytes) const override { Refuse(); }
  const GpuSpec& gpu() const override { return gpu_; }
  std::string description() const override { return "none: the plan says how long its operations take"; }
  Json error_band() const override { return Json::EmptyObject(); }

 private:
  [[noreturn]] static void Refuse() { CheckFailed("nothing is priced here", __FILE__, __LINE__, "plans are priced"); }
  GpuSpec gpu_;
};

}  // namespace

CostModel UnpricedCosts(const Plan& plan) {
  std::vector<std::shared_ptr<const KernelCosts>> kernels;
  kernels.reserve(Index(plan.cluster.kinds()));
  for (int kind = 0; kind < plan.cluster.kinds(); ++kind) {
    kernels.push_back(std::make_shared<NoKernelCosts>(plan.cluster.node_of_kind(KindId{kind}).gpu));
  }
  return CostModel(plan.model, plan.cluster, std::move(kernels), plan.software);
}

OperationGraph BareGraphOf(const Plan& plan, std::size_t step) {
  const CostModel cost = UnpricedCosts(plan);
  const PlannedStep& planned = plan.steps[step];
  const StepWork work = DivideWork(planned.plan, plan.layout, cost, planned.batch);
  return BuildGraph({cost, plan.layout, plan.OrdersIn(step)}, work, NoCosts(cost, plan.layout));
}

OperationGraph GraphOf(const Plan& plan, std::size_t step) {
  OperationGraph graph = BareGraphOf(plan, step);
  const std::vector<PlannedOperation>& planned = plan.steps[step].operations;
  DFLOP_CHECK(planned.size() == graph.operations.size(), "the plan was checked");
  for (std::size_t i = 0; i < planned.size(); ++i) graph.durations[i] = planned[i].time;
  return graph;
}

}  // namespace dflop
