// fixed: every degree given by hand, to hold the simulator against a published run or to test a plan of one's own.
//
// With a schedule of two directions (PipelineSchedule::directions) a uniform layout has a replica each way on every row
// of devices: "dp" counts rows and "microbatches" those of a row, both ways together, so that degrees mean the same
// beside a schedule of one direction.
// "order" names the axes, or the GPUs themselves: element k is where GPU k of the default numbering lies
// (sim/plan/given_gpus.hpp).
// Either "encoders" {name: degrees} + "llm" {degrees}, each on devices of its own or, with {"tp", "spread": true}, an
// encoder spread over the LLM's, or "uniform" {tp, cp, pp, dp, ep,
// etp, encoder_stages, encoder_tp, layers_per_stage}; and either "microbatches" or "samples_per_microbatch". Or "file",
// the data_sched_config.yaml in which the optimizer of DFLOP's release leaves its plan (sim/plan/release_config.hpp),
// instead of all of them. May use fewer GPUs than the cluster has. Runs even where it does not fit into memory; the
// result then says so.
#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "policies/api/registry.hpp"
#include "policies/api/v_placement.hpp"
#include "policies/layout_search/plan_simulator.hpp"
#include "policies/layout_search/separate_layouts.hpp"
#include "sim/plan/given_gpus.hpp"
#include "sim/plan/release_config.hpp"
#include "sim/plan/training_check.hpp"

namespace dflop {
namespace {

constexpr int kMaxDegree = 1 << 20;
constexpr int kLastGpu = (1 << 24) - 1;

std::vector<int> ReadLayers(const JsonReader& json) {
  std::vector<int> layers;
  if (const auto given = json.Find("layers_per_stage")) {
    for (const JsonReader& stage : given->Elements()) layers.push_back(static_cast<int>(stage.Int(0, kMaxDegree)));
    if (layers.empty()) given->Fail("is empty, one number per stage is wanted");
  }
  return layers;
}

ModuleDegrees ReadDegrees(const JsonReader& json) {
  if (json.BoolOr("spread", false)) {
    json.AllowOnly({"spread", "tp", "sequence_parallel"});
    return {.tp = static_cast<int>(json.At("tp").Int(1, 1024)),
            .sequence_parallel = json.BoolOr("sequence_parallel", false),
            .spread = true};
  }
  json.AllowOnly({"tp", "cp", "pp", "dp", "ep", "etp", "sequence_parallel", "layers_per_stage", "spread"});
  const auto other = [&](const char* name) { return static_cast<int>(json.IntOr(name, 1, 1, 1024)); };
  return {.tp = static_cast<int>(json.At("tp").Int(1, 1024)),
          .pp = static_cast<int>(json.At("pp").Int(1, kMaxDegree)),
          .dp = static_cast<int>(json.At("dp").Int(1, kMaxDegree)),
          .sequence_parallel = json.BoolOr("sequence_parallel", false),
          .cp = other("cp"),
          .ep = other("ep"),
          .etp = other("etp"),
          .layers_per_stage = ReadLayers(json)};
}

HomogeneousDegrees ReadUniform(const JsonReader& json) {
  json.AllowOnly(
      {"tp", "cp", "pp", "dp", "ep", "etp", "encoder_stages", "encoder_tp", "sequence_parallel", "layers_per_stage"});
  const auto other = [&](const char* name) { return static_cast<int>(json.IntOr(name, 1, 1, 1024)); };
  return {.tp = static_cast<int>(json.At("tp").Int(1, 1024)),
          .pp = static_cast<int>(json.At("pp").Int(1, kMaxDegree)),
          .dp = static_cast<int>(json.At("dp").Int(1, kMaxDegree)),
          .encoder_stages = static_cast<int>(json.IntOr("encoder_stages", -1, 0, kMaxDegree)),
          .sequence_parallel = json.BoolOr("sequence_parallel", false),
          .encoder_tp = static_cast<int>(json.IntOr("encoder_tp", 0, 1, 1024)),
          .cp = other("cp"),
          .ep = other("ep"),
          .etp = other("etp"),
          .layers_per_stage = ReadLayers(json)};
}

/// Whether every other run of stages over the devices is in reverse order.
bool TurnsBack(const PipelineSchedule& schedule, int devices, int chunks) {
  return chunks % 2 == 0 && schedule.placement(devices) == InWaves(devices, chunks);
}

class FixedLayout final : public LayoutPlanner {
 public:
  explicit FixedLayout(const Parameters& given) : file_(given.json().file()), pointer_(given.json().pointer()) {
    const JsonReader& json = given.json();
    const auto uniform = json.Find("uniform");
    if (uniform && (json.Has("llm") || json.Has("encoders"))) uniform->Fail("excludes llm and encoders");
    if (uniform && json.Has("communicator")) {
      json.At("communicator").Fail("has no effect in a uniform layout: encoder and LLM share their pipeline");
    }
    if (const auto file = json.Find("file")) {
      for (const char* key : {"uniform", "encoders", "llm", "microbatches", "samples_per_microbatch"}) {
        if (json.Has(key)) json.At(key).Fail("stands in the file too");
      }
      config_ = ReadReleaseConfig(*file);
      llm_ = config_->llm;
      microbatches_ = config_->microbatches;
    } else if (uniform) {
      uniform_ = ReadUniform(*uniform);
    } else {
      llm_ = ReadDegrees(json.At("llm"));
      if (llm_.spread) json.At("llm").At("spread").Fail("is for encoders, which are spread over the LLM's devices");
      if (const auto encoders = json.Find("encoders")) {
        for (const std::string& name : encoders->Keys()) {
          encoders_.emplace_back(name, ReadDegrees(encoders->At(name)));
        }
      }
    }
    communicator_ = CommunicatorOr(json, Communicator::kHub);
    if (const auto order = json.Find("order")) ReadOrder(*order);
    if (uniform_) uniform_->order = order_;
    if (config_) return;
    if (json.Has("microbatches") == json.Has("samples_per_microbatch")) {
      json.Fail("wants either microbatches or samples_per_microbatch");
    }
    if (given.Given("microbatches")) microbatches_ = static_cast<int>(given.Int("microbatches"));
    if (given.Given("samples_per_microbatch")) samples_ = static_cast<int>(given.Int("samples_per_microbatch"));
  }

  LayoutDecision Plan(const PlanningProblem& problem) const override {
    if (config_) CheckReleaseConfig(*config_, problem.cost.model(), problem.global_batch_size);
    LayoutDecision decision;
    decision.layout = uniform_                                ? Uniform(problem, *uniform_, "/uniform")
                      : problem.cost.model().encoders.empty() ? Uniform(problem, LlmAlone(), "")
                                                              : Separate(problem);
    if (order_ == PlacementOrder::kGiven) Place(decision.layout, problem.cost.cluster());
    const std::string why = WhyNotTrained(problem.cost, decision.layout);
    if (!why.empty()) Fail("", why);
    PlanSimulator simulator(problem);
    const Candidate candidate = simulator.Judge(decision.layout);
    decision.predicted = candidate.predicted;
    decision.candidates = {candidate};
    decision.reason = config_ ? "given by " + config_->file : "given by the experiment";
    return decision;
  }

 private:
  void ReadOrder(const JsonReader& order) {
    order_ = ReadPlacementOrder(order);
    if (order_ != PlacementOrder::kGiven) return;
    for (const JsonReader& gpu : order.Elements()) gpus_.push_back(static_cast<int>(gpu.Int(0, kLastGpu)));
  }

  void Place(Layout& layout, const ClusterSpec& cluster) const {
    const GivenGpusFault fault = FindFault(layout, gpus_, cluster);
    if (!fault.what.empty()) {
      const std::string element = fault.element < 0 ? "" : "/" + std::to_string(fault.element);
      throw InputError(file_, pointer_ + "/order" + element, fault.what);
    }
    layout = OnGpus(std::move(layout), gpus_);
  }

  [[noreturn]] void Fail(const std::string& key, const std::string& what) const {
    if (config_) throw InputError(config_->file, key == "/microbatches" ? "/num_batches" : "/parallel_config", what);
    throw InputError(file_, pointer_ + key, what);
  }

  /// Of every replica; of a row of two directions half.
  int EachWay(const PlanningProblem& problem, const HomogeneousDegrees& degrees) const {
    const int of_row = Microbatches(problem, degrees.dp);
    if (of_row % degrees.directions == 0) return of_row / degrees.directions;
    const int most = problem.global_batch_size / degrees.dp;
    const std::string odd = "gives every row of devices " + std::to_string(of_row) + " microbatches, half of which ";
    const std::string nearest = (of_row > 1 ? std::to_string(of_row - 1) : "") +
                                (of_row > 1 && of_row < most ? " or " : "") +
                                (of_row < most ? std::to_string(of_row + 1) : "");
    Fail(samples_ > 0 ? "/samples_per_microbatch" : "/microbatches",
         odd + "go either way: an even number is wanted" + (nearest.empty() ? "" : ", the nearest " + nearest));
  }

  int Microbatches(const PlanningProblem& problem, int replicas) const {
    const int batch = problem.global_batch_size;
    if (replicas > batch) {
      Fail("", "has " + std::to_string(replicas) + " replicas for a global batch of " + std::to_string(batch) +
                   " samples, at most one replica per sample is possible");
    }
    if (samples_ > 0) {
      if (batch % (replicas * samples_) != 0) {
        Fail("/samples_per_microbatch", "times " + std::to_string(replicas) + " replicas does not divide the global " +
                                            "batch of " + std::to_string(batch));
      }
      return batch / (replicas * samples_);
    }
    if (microbatches_ > batch / replicas) {
      Fail("/microbatches", "is " + std::to_string(microbatches_) + ", " + std::to_string(batch / replicas) +
                                " samples per replica allow at most as many (no microbatch may be empty)");
    }
    return microbatches_;
  }

  /// Without encoders both ways to write a layout say the same.
  HomogeneousDegrees LlmAlone() const {
    if (!encoders_.empty()) Fail("/encoders", "are given, but the model has none");
    return {.tp = llm_.tp,
            .pp = llm_.pp,
            .dp = llm_.dp,
            .sequence_parallel = llm_.sequence_parallel,
            .order = order_,
            .cp = llm_.cp,
            .ep = llm_.ep,
            .etp = llm_.etp,
            .layers_per_stage = llm_.layers_per_stage};
  }

  Layout Uniform(const PlanningProblem& problem, HomogeneousDegrees degrees, const std::string& key) const {
    const ModelSpec& model = problem.cost.model();
    if (degrees.encoder_stages < 0) degrees.encoder_stages = !model.encoders.empty() && degrees.pp > 1 ? 1 : 0;
    degrees.directions = problem.schedule.directions();
    degrees.chunks = problem.schedule.chunks() / degrees.directions;
    degrees.turns_back = TurnsBack(problem.schedule, degrees.pp, degrees.chunks);
    const std::string why = WhyImpossible(degrees, model, problem.cost.cluster());
    if (!why.empty()) Fail(key, why);
    degrees.microbatches = EachWay(problem, degrees);
    return InSplits(BuildLayout(degrees, model, problem.cost.cluster()), problem.schedule.splits());
  }

  Layout Separate(const PlanningProblem& problem) const {
    const ModelSpec& model = problem.cost.model();
    if (problem.schedule.directions() > 1) {
      Fail("",
           "has encoders on devices of their own, which feed pipelines of one direction; a schedule of two wants a "
           "\"uniform\" layout, with the encoders in the first stages");
    }
    SeparateDegrees degrees{.encoders = {}, .llm = llm_, .microbatches = 1, .communicator = communicator_};
    degrees.order = order_;
    degrees.chunks = problem.schedule.chunks();
    degrees.turns_back = TurnsBack(problem.schedule, llm_.pp, degrees.chunks);
    for (const EncoderSpec& encoder : model.encoders) {
      degrees.encoders.push_back(config_ ? config_->encoder : DegreesOf(encoder.name));
    }
    for (const auto& [name, unused] : encoders_) {
      const auto known = [&name = name](const EncoderSpec& encoder) { return encoder.name == name; };
      if (std::none_of(model.encoders.begin(), model.encoders.end(), known)) {
        Fail("/encoders/" + name, "names no encoder of " + model.name);
      }
    }
    const std::string why = WhyImpossible(degrees, model, problem.cost.cluster());
    if (!why.empty()) Fail("", why);
    degrees.microbatches = Microbatches(problem, llm_.dp);
    return InSplits(BuildLayout(degrees, model, problem.cost.cluster()), problem.schedule.splits());
  }

  ModuleDegrees DegreesOf(const std::string& encoder) const {
    for (const auto& [name, degrees] : encoders_) {
      if (name == encoder) return degrees;
    }
    Fail("", "lacks the degrees of encoder " + JsonQuote(encoder) + " under \"encoders\"");
  }

  std::string file_;
  std::string pointer_;
  std::optional<ReleaseConfig> config_;
  std::optional<HomogeneousDegrees> uniform_;
  std::vector<std::pair<std::string, ModuleDegrees>> encoders_;
  ModuleDegrees llm_;
  Communicator communicator_ = Communicator::kHub;
  PlacementOrder order_ = PlacementOrder::kReplicas;
  std::vector<int> gpus_;  ///< of an order that is kGiven
  int microbatches_ = 0;
  int samples_ = 0;
};

const Registration<LayoutPlanner> kFixed{
    {"fixed",
     "every degree given in the experiment or in a data_sched_config.yaml of DFLOP's release, also where it does not "
     "fit "
     "into memory",
     {{.name = "file",
       .type = Parameter::Other{"file"},
       .help = "data_sched_config.yaml of DFLOP's release, instead of degrees"},
      {.name = "uniform",
       .type = Parameter::Other{"object"},
       .help =
           "tp, cp, pp, dp, ep, etp, encoder_stages, encoder_tp, sequence_parallel, layers_per_stage (of the LLM) of "
           "a homogeneous layout"},
      {.name = "encoders",
       .type = Parameter::Other{"object"},
       .help =
           "degrees by encoder: tp, pp, dp, sequence_parallel, layers_per_stage; or tp and \"spread\": true, over the "
           "LLM's devices"},
      {.name = "llm",
       .type = Parameter::Other{"object"},
       .help =
           "degrees of the LLM, on devices of its own: tp, cp, pp, dp, ep, etp, sequence_parallel, layers_per_stage"},
      {.name = "microbatches",
       .type = Parameter::Integer{1, kMaxDegree},
       .help = "of every LLM replica, or of a row of devices both ways; this or samples_per_microbatch"},
      {.name = "samples_per_microbatch", .type = Parameter::Integer{1, kMaxDegree}, .help = "this or microbatches"},
      {.name = "order",
       .type = Parameter::Other{"tp-cp-ep-dp-pp|tp-cp-ep-pp-dp|tp-dp-pp|tp-pp-dp|[GPU…]"},
       .help =
           "which ranks are neighbours: replicas of a stage (…-dp-pp, as Megatron-LM, by default) or stages of one; or "
           "where each GPU of the default order lies, by its number in the cluster"},
      {.name = "communicator",
       .type = Parameter::Other{"hub|direct|object"},
       .help = "how encoders reach the LLM, {\"name\", \"blocking\"} to say whether it blocks; by default a hub"}}},
    [](const Parameters& given) { return std::make_unique<FixedLayout>(given); }};

}  // namespace
}  // namespace dflop
