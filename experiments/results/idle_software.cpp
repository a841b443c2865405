// What a run's policy chose counts beside what its scenario says.
#include "experiments/results/idle_software.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "models/loaded_kernel_costs.hpp"
#include "models/software_stack.hpp"
#include "sim/build/communicator.hpp"

namespace dflop {
namespace {

bool Cuts(const Scenario&, const SoftwareStack& software) {
  const bool holds_bucket =
      software.sharding_of(true) == Sharding::kGradients || software.sharding_of(false) == Sharding::kGradients;
  return holds_bucket || software.overlap_gradients || (software.overlap_parameters && software.shards());
}
bool Shards(const Scenario&, const SoftwareStack& software) { return software.shards(); }

bool Gathers(const Scenario&, const SoftwareStack& software) { return software.gathers_parameters(); }

bool Fuses(const Scenario&, const SoftwareStack& software) { return software.attention == AttentionKind::kFlash; }

/// A file that prices the only kind of GPU runs its kernels as they were measured.
bool Loads(const Scenario& scenario, const SoftwareStack&) {
  const Json* costs = scenario.json.find("costs");
  return costs == nullptr || costs->find("file") == nullptr || scenario.cluster.kinds() > 1;
}

bool HasKernel(const Scenario& scenario, const SoftwareStack& software) {
  if (software.attention_kernel == AttentionKernel::kTable || !Loads(scenario, software)) return true;
  for (int kind = 0; kind < scenario.cluster.kinds(); ++kind) {
    if (HasRates(scenario.cluster.node_of_kind(KindId{kind}).gpu, software.attention_kernel)) return true;
  }
  return false;
}

bool Launches(const Scenario&, const SoftwareStack& software) { return software.host_per_kernel > Seconds(0); }
bool TakesHost(const Scenario&, const SoftwareStack& software) { return software.launch != Launch::kGraphs; }
bool RecomputesLayers(const Scenario&, const SoftwareStack& software) { return software.recompute == Recompute::kFull; }

bool Gates(const Scenario& scenario, const SoftwareStack&) {
  const auto& encoders = scenario.model.encoders;
  return scenario.model.llm.shape.gated_ffn ||
         std::any_of(encoders.begin(), encoders.end(), [](const EncoderSpec& e) { return e.shape.gated_ffn; });
}

bool HasEncoder(const Scenario& scenario, const SoftwareStack&) { return !scenario.model.encoders.empty(); }

struct SoftwareKey {
  const char* name;
  bool (*works)(const Scenario&, const SoftwareStack&);
  const char* why_not;
  bool usual = false;  ///< of a truth value: that which says nothing
};
constexpr char kAsMeasured[] = "the kernels of a file run as they were measured";
constexpr SoftwareKey kSoftwareKeys[] = {
    {"bucket_bytes", Cuts,
     "nothing goes in buckets without overlap_gradients, or overlap_parameters of a "
     "distributed_optimizer"},
    {"overlap_parameters", Shards, "no weights are gathered without distributed_optimizer"},
    {"shard_group", Shards, "nothing is divided without sharding"},
    {"prefetch", Gathers, "no parameters are gathered ahead without zero3"},
    {"wrapped_layers", Gathers, "no parameters are gathered in units without zero3"},
    {"reshard_after_forward", Gathers, "no parameters are gathered, and so none given back, without zero3", true},
    {"encoder_sharding", HasEncoder, "the model has no encoder"},
    {"attention_kernel", Fuses, "unfused attention is GEMMs and a softmax"},
    {"attention_kernel", HasKernel, "no rates of it are known on this GPU, so that the table's kernel runs"},
    {"attention_kernel", Loads, kAsMeasured},
    {"sustained_clocks", Loads, kAsMeasured},
    {"launch", Launches, "no kernel takes the host time without host_s_per_kernel"},
    {"host_s_per_kernel", TakesHost, "graphs are launched as a whole"},
    {"recompute_share", RecomputesLayers, "whole layers are recomputed under \"recompute\": \"full\" alone"},
    {"fused_activation", Gates, "no FFN of the model has a gate", true},
};

/// What a degree above one asks for: which layouts ran decides.
struct DegreeKey {
  SoftwareKey key;
  const char* degree;  ///< of a module in a run's layout
};
constexpr DegreeKey kDegreeKeys[] = {
    {{"context_parallel", nullptr, "no layout that ran has sequences on several ranks (cp above 1)"}, "cp"},
    {{"overlap_tensor_parallel", nullptr, "no layout that ran has tensor-parallel collectives (tp above 1)"}, "tp"},
};

/// A scenario at all its points.
class PointsOfScenario {
 public:
  PointsOfScenario(const Experiment& experiment, const Json& runs, const std::string& name) : experiment_(experiment) {
    for (const Point& point : experiment.points) {
      if (point.scenario.name == name) points_.push_back(&point);
    }
    for (const Json& run : runs.as<Json::Array>()) {
      if (*run.find("scenario") == Json(name)) runs_.push_back(&run);
    }
  }

  void Tell(std::vector<std::string>& lines) const {
    for (const SoftwareKey& key : kSoftwareKeys) {
      if (Written(key) && !Swept(key.name) && !Works(key)) {
        lines.push_back(Place(key.name) + ": has no effect: " + key.why_not);
      }
    }
    for (const DegreeKey& one : kDegreeKeys) {
      if (Written(one.key) && !Swept(one.key.name) && RanLayouts() && !AnyAboveOne(one.degree)) {
        lines.push_back(Place(one.key.name) + ": has no effect: " + one.key.why_not);
      }
    }
    if (const double least = LeastBucket(); least > 0) {
      lines.push_back(Place("bucket_bytes") + ": has no effect below " + Fixed(least / 1e6, 1) +
                      " MB: gradients go in " + std::to_string(kMostBuckets) + " buckets at most");
    }
  }

 private:
  bool Written(const SoftwareKey& key) const {
    return std::any_of(points_.begin(), points_.end(), [&](const Point* point) {
      const Json* software = point->scenario.json.find("software");
      const Json* value = software == nullptr ? nullptr : software->find(key.name);
      return value != nullptr && *value != Json(key.usual);
    });
  }

  bool Swept(const char* key) const {
    const Json* first = points_.front()->values.find(Axis(key));
    return first != nullptr && std::any_of(points_.begin(), points_.end(), [&](const Point* point) {
             return *point->values.find(Axis(key)) != *first;
           });
  }

  bool Works(const SoftwareKey& key) const {
    const auto at_point = [&](const Point* point) { return key.works(point->scenario, point->scenario.software); };
    const auto in_run = [&](const Json* run) {
      const Json* chosen = run->find("software");
      if (chosen == nullptr) return false;
      const SoftwareStack software = ReadSoftwareStack(JsonReader(*chosen, "the run's software"));
      return std::any_of(points_.begin(), points_.end(),
                         [&](const Point* point) { return key.works(point->scenario, software); });
    };
    return std::any_of(points_.begin(), points_.end(), at_point) || std::any_of(runs_.begin(), runs_.end(), in_run);
  }

  bool RanLayouts() const {
    return std::any_of(runs_.begin(), runs_.end(), [](const Json* run) { return run->find("layout") != nullptr; });
  }

  bool AnyAboveOne(const char* degree) const {
    return std::any_of(runs_.begin(), runs_.end(), [&](const Json* run) {
      const Json* layout = run->find("layout");
      if (layout == nullptr) return false;
      const Json::Array& modules = layout->find("modules")->as<Json::Array>();
      return std::any_of(modules.begin(), modules.end(), [&](const Json& module) {
        const Json* value = module.find(degree);
        return value != nullptr && value->number() > 1;
      });
    });
  }

  double LeastBucket() const {
    double least = 0;
    for (const Json* run : runs_) {
      if (const Json* bytes = run->find("least_bucket_bytes")) least = std::max(least, bytes->number());
    }
    return least;
  }

  std::string Axis(const char* key) const { return std::string("/software/") + key; }
  std::string Place(const char* key) const {
    const bool axis = points_.front()->values.find(Axis(key)) != nullptr;
    return experiment_.file + ":" +
           (axis ? "/sweep/" + EscapePointerKey(Axis(key)) : points_.front()->scenario.pointer + Axis(key));
  }

  const Experiment& experiment_;
  std::vector<const Point*> points_;
  std::vector<const Json*> runs_;
};

}  // namespace

std::vector<std::string> SoftwareWithoutEffect(const Experiment& experiment, const Json& runs) {
  std::vector<std::string> lines;
  std::string told;
  for (const Point& point : experiment.points) {  // scenario by scenario
    if (point.scenario.name == told) continue;
    told = point.scenario.name;
    PointsOfScenario(experiment, runs, told).Tell(lines);
  }
  return lines;
}

}  // namespace dflop
