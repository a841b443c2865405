// Plans that were cut, edited or mixed up are refused before anything runs, with the place of the fault.
#include "real_runner/program/plan_check.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <utility>

#include "base/error.hpp"
#include "tests/real_runner/runner_plans.hpp"

namespace dflop {
namespace {

Json& Entry(Json& json, const char* list, std::size_t index) { return json[list].as<Json::Array>()[index]; }

Json GoodPlan() {
  PlanRecipe recipe{Homogeneous({1, 2, 2, 1, 4})};
  recipe.steps = 2;
  return ToJson(MakePlan(SmallJob(), recipe));
}

/// The complaint about a plan that `spoil` has edited; "" when it was accepted.
std::string ComplaintAbout(const std::function<void(Json&)>& spoil) {
  Json json = GoodPlan();
  spoil(json);
  try {
    CheckPlan(ReadPlan(JsonReader(json, "plan.json")), "plan.json");
  } catch (const InputError& error) {
    return error.what();
  }
  return "";
}

void ExpectRefused(const std::string& place, const std::string& what, const std::function<void(Json&)>& spoil) {
  const std::string complaint = ComplaintAbout(spoil);
  EXPECT_TRUE(complaint.starts_with("plan.json:" + place)) << complaint;
  EXPECT_NE(complaint.find(what), std::string::npos) << complaint;
}

TEST(PlanCheck, AcceptsEveryKindOfPlan) {
  for (const PlanRecipe& recipe : EveryKindOfPlan()) {
    const Plan plan = MakePlan(SmallJob(), recipe);
    EXPECT_NO_THROW(CheckPlan(plan, "plan.json")) << plan.layout.name;
  }
  EXPECT_EQ(ComplaintAbout([](Json&) {}), "");
}

TEST(PlanCheck, SamplesEncodedEarlierThanTheyRunAreForTheSimulatorAlone) {
  // The encoder runs what the LLM runs, but one sample of microbatch 1 in microbatch 0 already.
  ExpectRefused("/steps/0/encoder_batch_plans", "which only the simulator can", [](Json& json) {
    Json& step = Entry(json, "steps", 0);
    Json encoder = step["batch_plan"];
    auto& microbatches = encoder.as<Json::Array>()[0].as<Json::Array>();
    auto& later = microbatches[1].as<Json::Array>();
    microbatches[0].push_back(later.back());
    later.pop_back();
    step["encoder_batch_plans"] = Json::EmptyArray();
    step["encoder_batch_plans"].push_back(std::move(encoder));
  });
}

TEST(PlanCheck, PairsComeBackFromAFileAndRunHereUnlessTheyOverlap) {
  const Layout layout =
      Homogeneous({.tp = 1, .pp = 2, .dp = 1, .encoder_stages = 1, .microbatches = 4, .chunks = 2, .turns_back = true});
  const auto plan_of = [&](const std::string& overlap) {
    return MakePlan(SmallJob(), {layout, R"({"name": "dualpipev", "overlap": )" + overlap + "}"});
  };
  const auto complaint = [](const Json& json) -> std::string {
    try {
      CheckPlan(ReadPlan(JsonReader(json, "plan.json")), "plan.json");
    } catch (const InputError& error) {
      return error.what();
    }
    return "";
  };
  const Plan apart = plan_of("1"), overlapped = plan_of("0.75");
  const Json stored = ToJson(overlapped);
  EXPECT_EQ(ReadPlan(JsonReader(stored, "plan.json")).orders, overlapped.orders);
  EXPECT_NE(overlapped.orders, apart.orders);
  EXPECT_EQ(complaint(ToJson(apart)), "");
  EXPECT_NE(complaint(stored).find("/pair: is below 1"), std::string::npos) << complaint(stored);
  Json broken = ToJson(apart);  // its last operation is a backward
  broken["orders"].as<Json::Array>()[0].as<Json::Array>().back()["pair"] = 1;
  EXPECT_NE(complaint(broken).find("/pair: is for a forward"), std::string::npos) << complaint(broken);
  Json cut = ToJson(apart);
  auto& order = cut["orders"].as<Json::Array>()[0].as<Json::Array>();
  while (order.back().find("pair") == nullptr) order.pop_back();
  EXPECT_NE(complaint(cut).find("ends with the first half of a pair"), std::string::npos) << complaint(cut);
}

TEST(PlanCheck, LayoutsMustHoldTheModelOnceOnGpusThatExist) {
  ExpectRefused("/layout/stages/1", "does not go on at layer 0 of 12",
                [](Json& json) { Entry(Entry(json["layout"], "stages", 1), "parts", 0)["first_layer"] = 1; });
  ExpectRefused("/layout/groups/3", "shares GPU 0",
                [](Json& json) { Entry(json["layout"], "groups", 3)["first_gpu"] = 0; });
  ExpectRefused("/layout/groups/0", "names GPU 8, the cluster has 8",
                [](Json& json) { Entry(json["layout"], "groups", 0)["first_gpu"] = 8; });
  ExpectRefused("/layout/stages/0/parts/0", "uses 2 GPUs, its group has 1",
                [](Json& json) { Entry(Entry(json["layout"], "stages", 0), "parts", 0)["tp"] = 2; });
  ExpectRefused("/layout/stages", "holds 0 of the",
                [](Json& json) { json["layout"]["stages"].as<Json::Array>().resize(3); });
}

TEST(PlanCheck, AHubThatBlocksIsRefused) {
  Plan plan = MakePlan(SmallJob(), {Separate({1, 1, 2}, {1, 1, 2}, 2, Communicator::kBlockingHub)});
  try {
    CheckPlan(plan, "plan.json");
    FAIL() << "accepted";
  } catch (const InputError& error) {
    EXPECT_TRUE(std::string(error.what()).starts_with("plan.json:/layout/communicator: blocks")) << error.what();
  }
  plan = MakePlan(SmallJob(), {Separate({1, 1, 2}, {1, 1, 2}, 2, Communicator::kHub)});
  EXPECT_NO_THROW(CheckPlan(plan, "plan.json"));
}

TEST(PlanCheck, APlanOfAnotherModelIsRefused) {
  ExpectRefused("/layout/stages/1", "away from its last layer",
                [](Json& json) { json["model"]["llm"]["layers"] = 13; });
  ExpectRefused("/steps/0/operations", "model and batch make",
                [](Json& json) { json["model"]["llm"]["hidden"] = 2048; });
}

TEST(PlanCheck, OrdersMustRunEverythingOnceWithoutDeadlock) {
  ExpectRefused("/orders/0", "leaves out", [](Json& json) { Entry(json, "orders", 0).as<Json::Array>().pop_back(); });
  ExpectRefused("/orders/0/1", "a second time", [](Json& json) {
    auto& order = Entry(json, "orders", 0).as<Json::Array>();
    order.insert(order.begin(), order.front());
  });
  ExpectRefused("/orders/1/0/microbatch", "is not below",
                [](Json& json) { Entry(json, "orders", 1).as<Json::Array>()[0]["microbatch"] = 4; });
  ExpectRefused("/orders/1/0/chunk", "names stage 7",
                [](Json& json) { Entry(json, "orders", 1).as<Json::Array>()[0]["chunk"] = 7; });
  ExpectRefused("/orders", "can never start", [](Json& json) {  // its backward first of all
    auto& order = Entry(json, "orders", 0).as<Json::Array>();
    std::swap(order.front(), order.back());
  });
}

TEST(PlanCheck, OperationsMustBeThoseOfTheLayout) {
  ExpectRefused("/steps/1/operations", "entries; layout, orders and batch make",
                [](Json& json) { Entry(json, "steps", 1)["operations"].as<Json::Array>().pop_back(); });
  ExpectRefused("/steps/0/operations/5", "is another operation", [](Json& json) {
    Json& operation = Entry(Entry(json, "steps", 0), "operations", 5);
    operation["stage"] = operation["stage"].as<std::int64_t>() + 1;
  });
  ExpectRefused("/steps/0/batch/3/tiles", "has 0 entries, the model 1 encoders",
                [](Json& json) { Entry(Entry(json, "steps", 0), "batch", 3)["tiles"] = Json::EmptyArray(); });
  ExpectRefused("/steps", "is empty", [](Json& json) { json["steps"] = Json::EmptyArray(); });
}

}  // namespace
}  // namespace dflop
