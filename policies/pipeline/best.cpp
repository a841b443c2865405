// best: of several schedules the shortest under a memory limit, asked anew in every step where one of them is.
//
// All of them stand at one placement of the stages, that of the first. Which of them won is named in the run's
// scheduler_notes. Where nothing looks at times, the choice is made once, with all times alike.
#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/text.hpp"
#include "policies/api/checked_plugins.hpp"
#include "policies/api/infeasible.hpp"
#include "policies/api/pipeline_schedule.hpp"
#include "policies/api/registry.hpp"
#include "policies/pipeline_search/schedule_memory.hpp"

namespace dflop {
namespace {

/// Where nothing is given: those of one chunk per device.
constexpr const char* kStandard = R"(["1f1b", "gpipe", "zb-h1", "zb-h2", {"name": "zb-auto", "shortest": "makespan"},
                                      "list", {"name": "list", "split": true}])";

struct Contender {
  std::string name;
  std::unique_ptr<PipelineSchedule> schedule;
};

class BestSchedule final : public PipelineSchedule {
 public:
  BestSchedule(std::vector<Contender> contenders, std::optional<double> memory)
      : contenders_(std::move(contenders)), memory_(memory) {}

  int chunks() const override { return contenders_.front().schedule->chunks(); }
  int directions() const override { return contenders_.front().schedule->directions(); }
  int splits() const override { return contenders_.front().schedule->splits(); }
  Placement placement(int devices) const override { return contenders_.front().schedule->placement(devices); }
  bool per_step() const override {
    return std::any_of(contenders_.begin(), contenders_.end(),
                       [](const Contender& c) { return c.schedule->per_step(); });
  }
  std::string note() const override { return note_; }

  std::vector<DeviceOrder> Orders(const ScheduleProblem& problem) const override {
    ScheduleProblem limited = problem;
    limited.memory_limit = LimitOf(problem, memory_);
    std::vector<DeviceOrder> best;
    Seconds least{0};
    std::string refusals;
    for (const Contender& contender : contenders_) {
      std::vector<DeviceOrder> orders;
      const std::string why = Ask(contender, problem, limited, orders);
      if (!why.empty()) {
        refusals += (refusals.empty() ? "" : "; ") + contender.name + ": " + why;
        continue;
      }
      const Seconds makespan = RunOrders(orders, problem).makespan;
      if (!best.empty() && makespan >= least) continue;
      least = makespan;
      best = std::move(orders);
      note_ = "best: " + contender.name;
    }
    if (best.empty()) throw Infeasible("none of the schedules will do: " + refusals);
    return best;
  }

 private:
  /// "" with its orders, otherwise why there are none that count.
  static std::string Ask(const Contender& contender, const ScheduleProblem& problem, const ScheduleProblem& limited,
                         std::vector<DeviceOrder>& orders) {
    if (contender.schedule->placement(problem.devices) != problem.placement) {
      return "wants its stages on other devices";
    }
    try {
      orders = contender.schedule->Orders(limited);
    } catch (const Infeasible& reason) {
      return reason.what();
    }
    ScheduleProblem unlimited = problem;
    unlimited.memory_limit = std::numeric_limits<double>::infinity();
    const std::string wrong = WhyOrdersFail(orders, unlimited);
    if (!wrong.empty()) return wrong;
    const double excess = Excess(RunOrders(orders, problem, problem.weight_share), limited.memory_limit);
    return excess > 0 ? Format("%g above the memory limit of %g", excess, limited.memory_limit) : "";
  }

  std::vector<Contender> contenders_;
  std::optional<double> memory_;
  mutable std::string note_;
};

/// "name", or "name, key value, …" where it has parameters.
std::string ShownContender(const JsonReader& spec) {
  if (spec.IsString()) return spec.String();
  std::string shown = spec.At("name").String();
  for (const std::string& key : spec.Keys()) {
    if (key == "name") continue;
    const JsonReader value = spec.At(key);
    shown += ", " + key + " " + (value.IsString() ? value.String() : value.json().Dump());
  }
  return shown;
}

std::vector<Contender> ReadContenders(const JsonReader& list) {
  std::vector<Contender> contenders;
  for (const JsonReader& spec : list.Elements()) {
    contenders.push_back({ShownContender(spec), Registry<PipelineSchedule>::Instance().Make(spec)});
    const PipelineSchedule &one = *contenders.front().schedule, &other = *contenders.back().schedule;
    if (one.directions() != other.directions()) {
      spec.Fail("runs " + std::to_string(other.directions()) + " pipelines over its devices, " +
                contenders.front().name + " " + std::to_string(one.directions()) + ": all have to run as many");
    }
    if (one.splits() != other.splits()) {
      spec.Fail("divides microbatches in " + std::to_string(other.splits()) + " splits, " + contenders.front().name +
                " in " + std::to_string(one.splits()) + ": all have to divide them alike");
    }
    if (other.places_encoders()) spec.Fail("places encoders, which the others leave to the layout: it runs by itself");
    const int first = one.chunks(), chunks = other.chunks();
    if (first == chunks) continue;
    spec.Fail("wants " + std::to_string(chunks) + " chunks on a device, " + contenders.front().name + " " +
              std::to_string(first) + ": all have to stand at one placement");
  }
  if (contenders.empty()) list.Fail("is empty; names of `dflop list pipelines` are wanted");
  return contenders;
}

const Registration<PipelineSchedule> kBest{
    {"best",
     "the shortest of several schedules under a memory limit, chosen per step",
     {MemoryParameter(),
      {.name = "of",
       .type = Parameter::Other{"list of schedules"},
       .help = "names, or objects with parameters, all of one placement; not given: all of one chunk per device"}}},
    [](const Parameters& given) {
      static const Json kAll = ParseJson(kStandard, "best");
      const std::optional<JsonReader> of = given.Find("of");
      return std::make_unique<BestSchedule>(ReadContenders(of ? *of : JsonReader(kAll, "best")), MemoryOf(given));
    }};

}  // namespace
}  // namespace dflop
