// Plug-ins that hand back nonsense: every kind is an error that names plug-in, scenario, policy and step, never an
// abort.
#include "policies/api/checked_plugins.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <string>

#include "base/error.hpp"
#include "experiments/run/runner.hpp"
#include "experiments/spec/experiment.hpp"
#include "experiments/spec/sweep.hpp"
#include "policies/api/infeasible.hpp"
#include "policies/api/registry.hpp"
#include "tests/experiments/small_experiment.hpp"
#include "tests/sim/plan_support.hpp"
#include "tests/temporary_folder.hpp"

namespace dflop {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

std::unique_ptr<BatchScheduler> InOrder() {
  static const Json name("in-order");
  return Registry<BatchScheduler>::Instance().Make(JsonReader(name, "test"));
}

/// Right in the first step, so that a message has a later one to name.
class BrokenBatcher final : public BatchScheduler {
 public:
  explicit BrokenBatcher(const std::string& fault) : fault_(fault) {}
  BatchPlan Schedule(const BatchProblem& problem, RandomStream& random) override {
    BatchPlan plan = InOrder()->Schedule(problem, random);
    if (problem.rehearsal || calls_++ == 0) return plan;
    std::vector<int>& bucket = plan.buckets.front().front();
    if (fault_ == "duplicate") bucket.push_back(bucket.front());
    if (fault_ == "missing") bucket.pop_back();
    if (fault_ == "stranger") bucket.front() = 1'000'000;
    if (fault_ == "negative") bucket.front() = -1;
    if (fault_ == "replicas") plan.buckets.pop_back();
    if (fault_ == "microbatches") plan.buckets.front().pop_back();
    if (fault_ == "encoders") plan.encoder_buckets.resize(7);
    if (fault_ == "deferred") plan.deferred.push_back(-3);
    return plan;
  }

 private:
  std::string fault_;
  int calls_ = 0;
};

class BrokenSchedule final : public PipelineSchedule {
 public:
  explicit BrokenSchedule(const std::string& fault) : fault_(fault) {}
  int chunks() const override { return fault_ == "chunks" ? 0 : 1; }
  Placement placement(int devices) const override {
    Placement placement = InTurn(devices, 1);
    if (fault_ == "stages") placement.push_back(0);
    if (fault_ == "stranger") placement.back() = devices;
    if (fault_ == "one device") placement.assign(Index(devices), 0);
    return placement;
  }
  std::vector<DeviceOrder> Orders(const ScheduleProblem& problem) const override {
    std::vector<DeviceOrder> orders;
    orders.reserve(Index(problem.devices));
    for (int device = 0; device < problem.devices; ++device) orders.push_back(Order(device, problem.microbatches));
    if (fault_ == "devices") orders.pop_back();
    return orders;
  }

 private:
  DeviceOrder Order(int device, int microbatches) const {
    std::vector<ScheduledOp> order;
    for (int k = 0; k < microbatches; ++k) {
      // The first device waits for the backward of microbatch 0, the second for the forward of the last one.
      const int turned = fault_ == "deadlock" && device == 1 ? microbatches - 1 - k : k;
      order.push_back({OpKind::kForward, turned, 0});
      order.push_back({OpKind::kBackward, turned, 0});
    }
    if (fault_ == "twice") order.push_back(order.back());
    if (fault_ == "missing") order.pop_back();
    if (fault_ == "chunk") order.front().chunk = 5;
    if (fault_ == "microbatch") order.front().microbatch = -1;
    if (fault_ == "kind") order.front().kind = OpKind::kTransfer;
    return order;
  }

  std::string fault_;
};

class BrokenPlanner final : public LayoutPlanner {
 public:
  explicit BrokenPlanner(const std::string& fault) : fault_(fault) {}
  LayoutDecision Plan(const PlanningProblem& problem) const override {
    HomogeneousDegrees degrees;
    degrees.tp = degrees.pp = degrees.dp = degrees.microbatches = 2;
    degrees.encoder_stages = 1;
    LayoutDecision decision;
    decision.layout = BuildLayout(degrees, problem.cost.model(), problem.cost.cluster());
    Layout& layout = decision.layout;
    if (fault_ == "degrees") layout.pipelines.pop_back();
    if (fault_ == "gpu") layout.groups.back().first_gpu = 1000;
    if (fault_ == "group") layout.stages.front().group = 99;
    if (fault_ == "layers") layout.stages.back().parts.front().layers += 3;
    if (fault_ == "module") layout.stages.front().parts.front().module = -2;
    if (fault_ == "stages") layout.stages.clear();
    if (fault_ == "microbatches") layout.microbatches = 0;
    if (fault_ == "time") decision.predicted = Seconds(kNan);
    return decision;
  }

 private:
  std::string fault_;
};

class BrokenCorrection final : public Correction {
 public:
  explicit BrokenCorrection(const std::string& fault) : fault_(fault) {}
  double Factor(int, double) const override { return fault_ == "factor" ? kNan : fault_ == "zero" ? 0 : 1; }
  bool tracking() const override { return true; }
  double monitoring_cost() const override { return fault_ == "cost" ? -2 : 0; }
  void Observe(const Observation&) override {}
  Json Report() const override { return fault_ == "report" ? Json(kNan) : Json(); }

 private:
  std::string fault_;
};

template <typename Interface, typename Plugin>
Registration<Interface> Register() {
  return {
      {"broken", "answers nonsense on demand", {{.name = "fault", .type = Parameter::Other{"word"}, .help = "which"}}},
      [](const Parameters& given) { return std::make_unique<Plugin>(given.Find("fault")->String()); }};
}

/// Not before a test wants them: other tests ask something of every plug-in that is registered when they start.
void RegisterAll() {
  [[maybe_unused]] static const auto kBatcher = Register<BatchScheduler, BrokenBatcher>();
  [[maybe_unused]] static const auto kSchedule = Register<PipelineSchedule, BrokenSchedule>();
  [[maybe_unused]] static const auto kPlanner = Register<LayoutPlanner, BrokenPlanner>();
  [[maybe_unused]] static const auto kCorrection = Register<Correction, BrokenCorrection>();
}

/// What a run says whose policy "plain" has a plug-in of this kind with this fault; "" when it succeeds.
std::string Complaint(const std::string& kind, const std::string& fault) {
  RegisterAll();
  TemporaryFolder folder;
  Json experiment = SmallExperiment();
  experiment["policies"].as<Json::Array>().pop_back();
  Json& spec = experiment["policies"].as<Json::Array>()[0][kind];
  spec = Json::EmptyObject();
  spec["name"] = "broken";
  spec["fault"] = fault;
  const std::string path = folder / "e.json";
  WriteJsonFile(path, experiment);
  RunOptions options;
  options.out = folder / "out";
  options.quiet = true;
  try {
    RunExperiment(ReadExperiment(path), options);
  } catch (const RunError& error) {
    return error.what();
  }
  return "";
}

void ExpectNamed(const std::string& kind, const std::string& fault, const std::string& where) {
  const std::string complaint = Complaint(kind, fault);
  for (const std::string& part :
       {std::string("scenario \"tiny\", policy \"plain\": seed 1, "), where, std::string("\"broken\"")}) {
    EXPECT_NE(complaint.find(part), std::string::npos) << kind << ", " << fault << ": " << complaint;
  }
}

TEST(BrokenPlugin, BatchPlansAreLookedAtInEveryStep) {
  for (const char* fault :
       {"duplicate", "missing", "stranger", "negative", "replicas", "microbatches", "encoders", "deferred"}) {
    ExpectNamed("batching", fault, "step 1: ");
  }
  EXPECT_EQ(Complaint("batching", "none"), "");
}

TEST(BrokenPlugin, OrdersAreLookedAtBeforeTheyRun) {
  for (const char* fault : {"deadlock", "twice", "missing", "chunk", "microbatch", "kind", "chunks", "devices",
                            "stages", "stranger", "one device"}) {
    ExpectNamed("pipeline", fault, "while planning: ");
  }
}

TEST(BrokenPlugin, LayoutsAreLookedAtBeforeTheyAreUsed) {
  for (const char* fault : {"degrees", "gpu", "group", "layers", "module", "stages", "microbatches", "time"}) {
    ExpectNamed("layout", fault, "while planning: ");
  }
  EXPECT_EQ(Complaint("layout", "none"), "");
}

TEST(BrokenPlugin, CorrectionsAreLookedAtWhereTheyAreAsked) {
  for (const char* fault : {"factor", "zero", "cost"}) ExpectNamed("correction", fault, "step 0: ");
  ExpectNamed("correction", "report", "correction");
  EXPECT_EQ(Complaint("correction", "none"), "");
}

TEST(CheckedPlanner, ALayoutThatTheTrainingDoesNotFitIsInfeasible) {
  // Seven ranks divide no number of copies that eight GPUs have beside an encoder on one of them, but seven.
  SoftwareStack software{.sharding = Sharding::kParameters};
  software.shard_group = 7;
  const CostModel cost = SmallJob(1, software);
  const auto samples = UnevenSamples(16, 1);
  const auto batcher = Plugin<BatchScheduler>("random");
  const auto schedule = Plugin<PipelineSchedule>("1f1b");
  const auto planner = Checked(Plugin<LayoutPlanner>("dflop-as-released"), "dflop-as-released");
  try {
    planner->Plan({cost, 16, samples, *batcher, *schedule, 1});
    FAIL() << "a layout was chosen";
  } catch (const Infeasible& reason) {
    EXPECT_NE(std::string(reason.what()).find("shard_group 7 does not divide the "), std::string::npos)
        << reason.what();
  }
}

TEST(OrderCheck, KnowsADeadlockByHand) {
  using enum OpKind;
  // One microbatch on two devices: a backward before its own forward never starts, and the first device's waits for it.
  const DeviceOrder sound = {{kForward, 0, 0}, {kBackward, 0, 0}};
  const DeviceOrder backward_first = {{kBackward, 0, 0}, {kForward, 0, 0}};
  const ScheduleProblem problem{2, 1, 1, InTurn(2, 1)};
  EXPECT_EQ(WhyOrdersFail({sound, sound}, problem), "");
  EXPECT_EQ(WhyOrdersFail({sound, backward_first}, problem),
            "deadlock, waits for ever: backward of microbatch 0, chunk 0, on device 1 → forward of microbatch 0, chunk "
            "0, on device 1, which stands behind backward of microbatch 0, chunk 0, on device 1");
  const DeviceOrder split = {{kForward, 0, 0}, {kBackwardInput, 0, 0}, {kBackwardWeight, 0, 0}};
  EXPECT_EQ(WhyOrdersFail({split, sound}, problem), "");
  const DeviceOrder half = {{kForward, 0, 0}, {kBackwardInput, 0, 0}};
  EXPECT_EQ(WhyOrdersFail({half, sound}, problem), "never runs backward_weight of microbatch 0, chunk 0, on device 0");
  const DeviceOrder both = {{kForward, 0, 0}, {kBackward, 0, 0}, {kBackwardInput, 0, 0}, {kBackwardWeight, 0, 0}};
  EXPECT_EQ(WhyOrdersFail({both, sound}, problem), "a second time runs backward of microbatch 0, chunk 0, on device 0");
}

TEST(OrderCheck, FollowsThePlacement) {
  using enum OpKind;
  // A V of two chunks: device 1 runs its second stage right after its first.
  const DeviceOrder outside = {{kForward, 0, 0}, {kForward, 0, 1}, {kBackward, 0, 1}, {kBackward, 0, 0}};
  const DeviceOrder turning = {{kForward, 0, 0}, {kForward, 0, 1}, {kBackward, 0, 1}, {kBackward, 0, 0}};
  EXPECT_EQ(WhyOrdersFail({outside, turning}, {2, 1, 2, {0, 1, 1, 0}}), "");
  const DeviceOrder back_first = {{kForward, 0, 0}, {kBackward, 0, 0}, {kForward, 0, 1}, {kBackward, 0, 1}};
  EXPECT_EQ(
      WhyOrdersFail({back_first, turning}, {2, 1, 2, {0, 1, 1, 0}}),
      "deadlock, waits for ever: backward of microbatch 0, chunk 0, on device 0 → backward of microbatch 0, chunk "
      "0, on device 1, which stands behind backward of microbatch 0, chunk 1, on device 1 → backward of microbatch 0, "
      "chunk 1, on device 0, "
      "which stands behind backward of microbatch 0, chunk 0, on device 0");
  // Device 0 ends microbatch 1 before 0, device 1 runs 0 through both of its stages before 1: with stages in turn the
  // one waits for the other.
  const DeviceOrder turned = {{kForward, 0, 0},  {kForward, 1, 0},  {kForward, 1, 1},  {kForward, 0, 1},
                              {kBackward, 1, 1}, {kBackward, 0, 1}, {kBackward, 0, 0}, {kBackward, 1, 0}};
  const DeviceOrder straight = {{kForward, 0, 0},  {kForward, 0, 1},  {kForward, 1, 0},  {kForward, 1, 1},
                                {kBackward, 0, 1}, {kBackward, 0, 0}, {kBackward, 1, 1}, {kBackward, 1, 0}};
  EXPECT_EQ(WhyOrdersFail({turned, straight}, {2, 2, 2, {0, 1, 1, 0}}), "");
  EXPECT_EQ(
      WhyOrdersFail({turned, straight}, {2, 2, 2, {0, 1, 0, 1}}),
      "deadlock, waits for ever: forward of microbatch 1, chunk 1, on device 0 → forward of microbatch 1, chunk 0, "
      "on device 1, which stands behind forward of microbatch 0, chunk 1, on device 1 → forward of microbatch 0, "
      "chunk 1, on device 0, which stands behind forward of microbatch 1, chunk 1, on device 0");
}

TEST(OrderCheck, PlacementsGiveEveryDeviceItsChunks) {
  EXPECT_EQ(WhyPlacementFails({0, 1, 1, 0}, 2, 2), "");
  EXPECT_EQ(WhyPlacementFails(InTurn(3, 2), 3, 2), "");
  EXPECT_EQ(WhyPlacementFails({0, 1}, 2, 2), "places 2 stages, 2 devices have 4");
  EXPECT_EQ(WhyPlacementFails({1, 0}, 2, 1), "names device 1 where a microbatch has met 0 of 2");
  EXPECT_EQ(WhyPlacementFails({0, 0, 0, 1}, 2, 2), "gives device 0 too many stages");
}

TEST(OrderCheck, CountsWhatWaitsAgainstTheLimit) {
  using enum OpKind;
  const DeviceOrder all_first = {{kForward, 0}, {kForward, 1}, {kBackward, 0}, {kBackward, 1}};
  const DeviceOrder in_turn = {{kForward, 0}, {kBackward, 0}, {kForward, 1}, {kBackward, 1}};
  ScheduleProblem problem{1, 2, 1, {0}};
  problem.memory_limit = 1;
  EXPECT_EQ(WhyOrdersFail({all_first}, problem),
            "holds 2 on device 0, the limit is 1: 1 too much with forward of microbatch 1, chunk 0, on device 0");
  EXPECT_EQ(WhyOrdersFail({in_turn}, problem), "");
  problem.held = {1.5};
  EXPECT_EQ(WhyOrdersFail({in_turn}, problem),
            "holds 1.5 on device 0, the limit is 1: 0.5 too much with forward of microbatch 0, chunk 0, on device 0");
  // The half that gives the weights' gradient needs the activations too.
  const DeviceOrder halves = {{kForward, 0},       {kBackwardInput, 0},  {kForward, 1},
                              {kBackwardInput, 1}, {kBackwardWeight, 0}, {kBackwardWeight, 1}};
  problem.memory_limit = 2;
  EXPECT_EQ(WhyOrdersFail({halves}, problem),
            "holds 3 on device 0, the limit is 2: 1 too much with forward of microbatch 1, chunk 0, on device 0");
}

}  // namespace
}  // namespace dflop
