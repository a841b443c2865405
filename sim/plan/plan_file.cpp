// What follows from the rest of a plan, such as gradient weights, is written for others and checked when read.
#include "sim/plan/plan_file.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "sim/graph/bounds.hpp"
#include "sim/graph/op_kind.hpp"
#include "sim/plan/device_order.hpp"

namespace dflop {
namespace {

constexpr std::int64_t kMostSeeds = std::int64_t{1} << 53;
constexpr std::int64_t kMost = std::numeric_limits<int>::max();
constexpr double kLargest = 1e18;  // bytes

constexpr double kShortestPair = 1e-3;

int ReadIndex(const JsonReader& json, const char* key) { return static_cast<int>(json.IntOr(key, -1, 0, kMost)); }

void WriteIndex(Json& json, const char* key, int index) {
  if (index >= 0) json[key] = index;
}

Json ShapesToJson(const std::vector<SampleShape>& batch) {
  Json all = Json::EmptyArray();
  for (const SampleShape& shape : batch) {
    Json json;
    json["tiles"] = Json::ArrayOf(shape.tiles);
    json["llm_tokens"] = shape.llm_tokens;
    json["text_tokens"] = shape.text_tokens;
    if (shape.media_tokens > 0) json["media_tokens"] = shape.media_tokens;
    all.push_back(std::move(json));
  }
  return all;
}

SampleShape ReadShape(const JsonReader& json) {
  SampleShape shape;
  for (const JsonReader& tiles : json.At("tiles").Elements())
    shape.tiles.push_back(static_cast<int>(tiles.Int(0, kMostSampleTokens)));
  shape.llm_tokens = static_cast<int>(json.At("llm_tokens").Int(0, kMostSampleTokens));
  shape.text_tokens = static_cast<int>(json.At("text_tokens").Int(0, kMostSampleTokens));
  shape.media_tokens = static_cast<int>(json.IntOr("media_tokens", 0, 0, kMostSampleTokens));
  json.AllowOnly({"tiles", "llm_tokens", "text_tokens", "media_tokens"});
  return shape;
}

Json OrdersToJson(const std::vector<DeviceOrder>& orders) {
  Json all = Json::EmptyArray();
  for (const DeviceOrder& order : orders) {
    Json list = Json::EmptyArray();
    for (const ScheduledOp& op : order) {
      Json json;
      json["kind"] = KindName(op.kind);
      json["microbatch"] = op.microbatch;
      json["chunk"] = op.chunk;
      if (op.pair > 0) json["pair"] = op.pair;
      list.push_back(std::move(json));
    }
    all.push_back(std::move(list));
  }
  return all;
}

/// `op` is what follows the order.
void CheckPair(const DeviceOrder& order, const ScheduledOp& op, const JsonReader& json) {
  if (op.pair > 0 && op.kind != OpKind::kForward) json.At("pair").Fail("is for a forward, whose other half follows it");
  if (!order.empty() && order.back().pair > 0 && !GivesInputGradient(op.kind)) {
    json.At("kind").Fail("is the other half of a pair: a backward, whole or for the input");
  }
}

DeviceOrder ReadOrder(const JsonReader& json) {
  DeviceOrder order;
  for (const JsonReader& element : json.Elements()) {
    ScheduledOp op{ReadKind(element.At("kind")), static_cast<int>(element.At("microbatch").Int(0, kMost)),
                   static_cast<int>(element.At("chunk").Int(0, kMost))};
    if (const auto pair = element.Find("pair")) op.pair = pair->Number(kShortestPair, 1);
    element.AllowOnly({"kind", "microbatch", "chunk", "pair"});
    CheckPair(order, op, element);
    order.push_back(op);
  }
  if (!order.empty() && order.back().pair > 0) json.Fail("ends with the first half of a pair");
  return order;
}

std::vector<DeviceOrder> ReadOrders(const JsonReader& json, const Layout& layout) {
  std::vector<DeviceOrder> orders;
  for (const JsonReader& order : json.Elements()) orders.push_back(ReadOrder(order));
  if (orders.size() != layout.groups.size()) {
    json.Fail("has " + std::to_string(orders.size()) + " orders, the layout has " +
              std::to_string(layout.groups.size()) + " device groups");
  }
  return orders;
}

Json OperationToJson(const PlannedOperation& operation) {
  Json json;
  json["kind"] = KindName(operation.kind);
  WriteIndex(json, "stage", operation.stage);
  WriteIndex(json, "to_stage", operation.to_stage);
  WriteIndex(json, "microbatch", operation.microbatch);
  json["time_s"] = operation.time.value();
  json["bytes"] = operation.bytes.value();
  return json;
}

PlannedOperation ReadOperation(const JsonReader& json) {
  PlannedOperation operation;
  operation.kind = ReadKind(json.At("kind"));
  operation.stage = ReadIndex(json, "stage");
  operation.to_stage = ReadIndex(json, "to_stage");
  operation.microbatch = ReadIndex(json, "microbatch");
  operation.time = Seconds(json.At("time_s").Number(0, kLongestTimeline));
  operation.bytes = Bytes(json.At("bytes").Number(0, kLargest));
  json.AllowOnly({"kind", "stage", "to_stage", "microbatch", "time_s", "bytes"});
  return operation;
}

Json StepToJson(const PlannedStep& step) {
  Json json;
  json["batch"] = ShapesToJson(step.batch);
  json["batch_plan"] = ToJson(step.plan.buckets);
  if (!step.plan.encoder_buckets.empty()) {
    json["encoder_batch_plans"] = Json::EmptyArray();
    for (const Buckets& encoder : step.plan.encoder_buckets) json["encoder_batch_plans"].push_back(ToJson(encoder));
  }
  if (!step.plan.context_ranks.empty()) {
    json["context_ranks"] = Json::EmptyArray();
    for (const std::vector<int>& replica : step.plan.context_ranks) {
      json["context_ranks"].push_back(Json::ArrayOf(replica));
    }
  }
  if (!step.plan.deferred.empty()) json["deferred"] = Json::ArrayOf(step.plan.deferred);
  json["gradient_weights"] = Json::EmptyArray();
  for (const auto& replica : GradientWeights(step.plan, step.batch)) {
    json["gradient_weights"].push_back(Json::ArrayOf(replica));
  }
  if (!step.orders.empty()) json["orders"] = OrdersToJson(step.orders);
  json["operations"] = Json::EmptyArray();
  for (const PlannedOperation& operation : step.operations) json["operations"].push_back(OperationToJson(operation));
  return json;
}

/// They follow from the plan; a file that says otherwise has been tampered with.
void CheckWeights(const JsonReader& json, const PlannedStep& step) {
  const auto weights = GradientWeights(step.plan, step.batch);
  const std::vector<JsonReader> rows = json.Elements();
  if (rows.size() != weights.size())
    json.Fail("wants a row for each of " + std::to_string(weights.size()) + " replicas");
  for (std::size_t r = 0; r < rows.size(); ++r) {
    const std::vector<JsonReader> cells = rows[r].Elements();
    if (cells.size() != weights[r].size()) rows[r].Fail("wants a weight for each microbatch");
    for (std::size_t k = 0; k < cells.size(); ++k) {
      if (std::abs(cells[k].Number(0, 1) - weights[r][k]) > 1e-9) {
        cells[k].Fail("is not the microbatch's share of the tokens that bear loss");
      }
    }
  }
}

PlannedStep ReadStep(const JsonReader& json, const Layout& layout) {
  PlannedStep step;
  for (const JsonReader& shape : json.At("batch").Elements()) step.batch.push_back(ReadShape(shape));
  const JsonReader plan = json.At("batch_plan");
  step.plan.buckets = ReadBuckets(plan);
  if (const auto encoders = json.Find("encoder_batch_plans")) {
    for (const JsonReader& encoder : encoders->Elements()) step.plan.encoder_buckets.push_back(ReadBuckets(encoder));
  }
  if (const auto ranks = json.Find("context_ranks")) {
    for (const JsonReader& replica : ranks->Elements()) {
      std::vector<int>& row = step.plan.context_ranks.emplace_back();
      for (const JsonReader& degree : replica.Elements()) row.push_back(static_cast<int>(degree.Int(1, kMost)));
    }
  }
  if (const auto deferred = json.Find("deferred")) {
    for (const JsonReader& sample : deferred->Elements()) {
      step.plan.deferred.push_back(static_cast<int>(sample.Int(0, kMost)));
    }
  }
  const auto samples = static_cast<int>(step.batch.size());
  const std::string wrong = WhyInvalid(step.plan, layout, samples);
  if (!wrong.empty()) {
    BatchPlan undivided = step.plan;
    undivided.context_ranks.clear();
    const bool of_ranks = WhyInvalid(undivided, layout, samples).empty();
    (of_ranks ? json.At("context_ranks") : plan).Fail(wrong);
  }
  for (const JsonReader& operation : json.At("operations").Elements()) {
    step.operations.push_back(ReadOperation(operation));
  }
  CheckWeights(json.At("gradient_weights"), step);
  if (const auto orders = json.Find("orders")) step.orders = ReadOrders(*orders, layout);
  json.AllowOnly({"batch", "batch_plan", "encoder_batch_plans", "context_ranks", "deferred", "gradient_weights",
                  "orders", "operations"});
  return step;
}

}  // namespace

std::vector<PlannedOperation> PlannedOperations(const OperationGraph& graph) {
  std::vector<PlannedOperation> planned;
  planned.reserve(graph.operations.size());
  for (std::size_t i = 0; i < graph.operations.size(); ++i) {
    const Operation& operation = graph.operations[i];
    PlannedOperation entry{operation.kind,       operation.stage,    operation.to_stage,
                           operation.microbatch, graph.durations[i], Bytes(0)};
    if (operation.communication >= 0) entry.bytes = graph.communications.BytesOf(operation.communication);
    planned.push_back(entry);
  }
  return planned;
}

Json ToJson(const Plan& plan) {
  Json json;
  json["schema"] = "dflop/plan/1";
  json["experiment"] = plan.experiment;
  json["scenario"] = plan.scenario;
  json["policy"] = plan.policy;
  json["seed"] = plan.seed;
  json["model"] = ToJson(plan.model);
  json["cluster"] = ToJson(plan.cluster);
  const Json software = ToJson(plan.software);
  for (const Json::Member& member : software.as<Json::Object>()) json[member.key] = member.value;
  json["layout"] = ToJson(plan.layout);
  json["orders"] = OrdersToJson(plan.orders);
  json["steps"] = Json::EmptyArray();
  for (const PlannedStep& step : plan.steps) json["steps"].push_back(StepToJson(step));
  return json;
}

Plan ReadPlan(const JsonReader& json) {
  json.CheckSchema("dflop/plan/1", true);
  json.AllowOnly({"schema", "experiment", "scenario", "policy", "seed", "model", "cluster", "precision", "recompute",
                  "attention", "packing", "software", "layout", "orders", "steps"});
  Plan plan;
  plan.experiment = json.At("experiment").String();
  plan.scenario = json.At("scenario").String();
  plan.policy = json.At("policy").String();
  plan.seed = json.At("seed").Int(0, kMostSeeds);
  plan.model = ReadModel(json.At("model"));
  plan.cluster = ReadCluster(json.At("cluster"));
  plan.software = ReadSoftwareStack(json);
  plan.layout = ReadLayout(json.At("layout"));
  plan.orders = ReadOrders(json.At("orders"), plan.layout);
  for (const JsonReader& step : json.At("steps").Elements()) plan.steps.push_back(ReadStep(step, plan.layout));
  return plan;
}

}  // namespace dflop
