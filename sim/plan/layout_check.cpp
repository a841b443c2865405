// Each check may count on those before it: groups, stages, layers, their order, degrees.
#include "sim/plan/layout_check.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "base/index.hpp"
#include "models/expert_mesh.hpp"

namespace dflop {
namespace {

std::string At(const char* list, std::size_t index) { return "/" + std::string(list) + "/" + std::to_string(index); }

LayoutFault FaultOfGroups(const Layout& layout, const ClusterSpec& cluster) {
  std::set<int> used;
  for (std::size_t g = 0; g < layout.groups.size(); ++g) {
    const DeviceGroup& group = layout.groups[g];
    if (group.first_gpu < 0 || group.size < 1) return {At("groups", g), "holds no GPU"};
    for (int gpu = group.first_gpu; gpu < group.first_gpu + group.size; ++gpu) {
      if (gpu >= cluster.gpus()) {
        return {At("groups", g), "names GPU " + std::to_string(gpu) + ", the cluster has " +
                                     std::to_string(cluster.gpus()) + ", numbered from 0"};
      }
      if (!used.insert(gpu).second)
        return {At("groups", g), "shares GPU " + std::to_string(gpu) + " with another group"};
    }
  }
  return {};
}

LayoutFault FaultOfPart(const ModulePart& part, const DeviceGroup& group, const ModelSpec& model,
                        const std::string& at) {
  if (part.module < 0 || part.module >= model.module_count()) {
    return {at, "names module " + std::to_string(part.module) + ", the model has " +
                    std::to_string(model.module_count()) + ", numbered from 0"};
  }
  const Mesh& mesh = part.mesh;
  if (std::min({mesh.tp, mesh.cp, mesh.data_split, mesh.ep, mesh.etp}) < 1) {
    return {at, "has a degree below 1"};
  }
  const std::string context = WhyCrossContext(model, part.module, mesh.cp);
  if (!context.empty()) return {at, "has " + context};
  if (model.is_llm(part.module) && mesh.data_split > 1) return {at, "divides tiles in the LLM, which has none"};
  if (mesh.ranks() != group.size) {
    return {at, "uses " + std::to_string(mesh.ranks()) + " GPUs, its group has " + std::to_string(group.size)};
  }
  return {};
}

LayoutFault FaultOfStages(const Layout& layout, const ModelSpec& model) {
  if (layout.stages.empty()) return {"/stages", "is empty"};
  for (std::size_t s = 0; s < layout.stages.size(); ++s) {
    const Stage& stage = layout.stages[s];
    if (stage.group < 0 || Index(stage.group) >= layout.groups.size()) {
      return {At("stages", s) + "/group", "is none of the " + std::to_string(layout.groups.size()) + " device groups"};
    }
    if (stage.parts.empty()) return {At("stages", s), "holds nothing"};
    if (stage.depth < 0 || stage.depth >= layout.depth) return {At("stages", s) + "/depth", "is not below the depth"};
    for (std::size_t p = 0; p < stage.parts.size(); ++p) {
      const std::string at = At("stages", s) + At("parts", p);
      const LayoutFault fault = FaultOfPart(stage.parts[p], layout.groups[Index(stage.group)], model, at);
      if (!fault.what.empty()) return fault;
      if (stage.parts.size() > 1 && (layout.feeds(stage.parts[p].module) || model.is_llm(stage.parts[p].module))) {
        return {at, "shares a stage that only encoders of one pipeline may share"};
      }
    }
  }
  return {};
}

/// One replica of one module: its parts, in the order in which a microbatch meets them, are the whole module.
LayoutFault FaultOfLayers(const Layout& layout, const ModelSpec& model) {
  struct Progress {
    int next = 0;
    bool ended = false;
  };
  std::map<std::pair<int, int>, Progress> seen;  // by module and replica
  const auto text = [&](int module, int replica) {
    return model.module_name(module) + " of replica " + std::to_string(replica);
  };
  for (std::size_t s = 0; s < layout.stages.size(); ++s) {
    const Stage& stage = layout.stages[s];
    for (const ModulePart& part : stage.parts) {
      const auto [entry, is_first] = seen.try_emplace({part.module, stage.replica});
      Progress& progress = entry->second;
      const int layers = model.shape(part.module).layers;
      const int next = progress.next;
      const bool goes_on = part.first_layer == next && part.has_input == is_first && !progress.ended;
      if (!goes_on || part.layers < 0 || part.layers > layers - next) {
        return {At("stages", s), "does not go on at layer " + std::to_string(next) + " of " + std::to_string(layers) +
                                     " of " + text(part.module, stage.replica)};
      }
      progress.next += part.layers;
      progress.ended = part.has_output;
      if (part.has_output && progress.next != layers) {
        return {At("stages", s),
                "gives the output of " + text(part.module, stage.replica) + " away from its last layer"};
      }
    }
  }
  for (int module = 0; module < model.module_count(); ++module) {
    const int replicas = layout.replicas_of(module);
    for (int replica = 0; replica < replicas; ++replica) {
      const Progress& progress = seen[{module, replica}];
      if (progress.next != model.shape(module).layers) {
        return {"/stages", "holds " + std::to_string(progress.next) + " of the " +
                               std::to_string(model.shape(module).layers) + " layers of " + text(module, replica)};
      }
      if (!progress.ended) return {"/stages", "gives the output of " + text(module, replica) + " nowhere"};
      seen.erase({module, replica});
    }
  }
  if (seen.empty()) return {};
  const auto [module, replica] = seen.begin()->first;
  return {"/stages", "holds " + text(module, replica) + ", which the degrees do not have"};
}

/// Stages of a pipeline stand one after the other, each deeper than the last, and encoders come before the LLM.
LayoutFault FaultOfOrder(const Layout& layout, const ModelSpec& model) {
  for (const Chain& chain : ChainsOf(layout)) {
    for (std::size_t i = 1; i < chain.stages.size(); ++i) {
      const Stage& before = layout.stages[Index(chain.stages[i - 1])];
      const Stage& stage = layout.stages[Index(chain.stages[i])];
      const std::string at = At("stages", Index(chain.stages[i]));
      if (stage.depth <= before.depth) return {at + "/depth", "is not deeper than the stage before it"};
      const bool was_llm = model.is_llm(before.parts.front().module);
      const bool is_llm = model.is_llm(stage.parts.front().module);
      if (was_llm && !is_llm) return {at, "has an encoder behind the LLM"};
      const bool all_end =
          std::all_of(before.parts.begin(), before.parts.end(), [](const ModulePart& part) { return part.has_output; });
      if (was_llm == is_llm || all_end) continue;
      return {at, "begins the LLM before the encoders have ended"};
    }
  }
  return {};
}

/// The devices of replica `down`, in the order in which a microbatch first meets them, are those of replica `up` from
/// the last to the first.
bool PassOppositely(const Layout& layout, const Chain& down, const Chain& up) {
  std::vector<int> met;
  const auto place = [&](int s) {
    return std::find(met.begin(), met.end(), layout.stages[Index(s)].group) - met.begin();
  };
  for (const int s : down.stages) {
    if (place(s) == std::ssize(met)) met.push_back(layout.stages[Index(s)].group);
  }
  return met.size() % 2 == 0 && std::equal(down.stages.begin(), down.stages.end(), up.stages.begin(), up.stages.end(),
                                           [&](int a, int b) { return place(a) + place(b) == std::ssize(met) - 1; });
}

/// Of two directions.
LayoutFault FaultOfDirections(const Layout& layout) {
  if (layout.joins()) return {"/directions", "is 2, with encoders on devices of their own it is 1"};
  const std::vector<Chain> chains = ChainsOf(layout);
  for (std::size_t r = 0; r < chains.size(); ++r) {
    const std::string at = At("stages", Index(chains[r].stages.front()));
    if (chains[r].replica != static_cast<int>(r)) return {at, "does not stand with its replica, in their order"};
    if (r < Index(layout.rows())) continue;
    const Chain& down = chains[r - Index(layout.rows())];
    if (PassOppositely(layout, down, chains[r])) continue;
    return {at, "begins replica " + std::to_string(r) + ", which does not pass an even number of devices of replica " +
                    std::to_string(down.replica) + " in the opposite direction"};
  }
  return {};
}

/// Devices belong to one replica of a pipeline, or to two that pass them in opposite directions.
LayoutFault FaultOfSharing(const Layout& layout) {
  if (layout.directions != 1 && layout.directions != 2) return {"/directions", "is neither 1 nor 2"};
  if (layout.llm_replicas() % layout.directions != 0) {
    return {"/directions", "is 2, which does not divide the " + std::to_string(layout.llm_replicas()) + " replicas"};
  }
  std::map<std::pair<int, int>, int> row_of;  // by pipeline and group
  for (std::size_t s = 0; s < layout.stages.size(); ++s) {
    const Stage& stage = layout.stages[s];
    const int row = layout.RowOf(stage.replica);
    const int pipeline = layout.pipelines[Index(stage.parts.front().module)];
    const int other = row_of.try_emplace({pipeline, stage.group}, row).first->second;
    if (other == row) continue;
    return {At("stages", s) + "/group", "is a device of replica " + std::to_string(other) + ", which replica " +
                                            std::to_string(stage.replica) + " shares none with"};
  }
  return layout.directions == 2 ? FaultOfDirections(layout) : LayoutFault{};
}

/// A module is divided alike on all of its stages.
LayoutFault FaultOfMeshes(const Layout& layout, const ModelSpec& model) {
  std::vector<const Mesh*> meshes(Index(layout.modules()));
  for (std::size_t s = 0; s < layout.stages.size(); ++s) {
    for (std::size_t p = 0; p < layout.stages[s].parts.size(); ++p) {
      const ModulePart& part = layout.stages[s].parts[p];
      const std::string at = At("stages", s) + At("parts", p);
      const std::string why =
          WhyExpertMesh(model, part.module, part.mesh, layout.replicas_of(part.module) / layout.directions);
      if (!why.empty()) return {at, why};
      const Mesh*& mesh = meshes[Index(part.module)];
      if (mesh == nullptr) mesh = &part.mesh;
      if (*mesh != part.mesh) return {at, "is divided otherwise than the first stage of its module"};
    }
  }
  return {};
}

/// Two sorts of layouts are known: all modules in one pipeline, or every module in one of its own that feeds the LLM's.
LayoutFault FaultOfPipelines(const Layout& layout, const ModelSpec& model) {
  if (layout.modules() != model.module_count()) {
    return {"/degrees", "has " + std::to_string(layout.modules()) + " entries, the model " +
                            std::to_string(model.module_count()) + " modules"};
  }
  std::vector<int> pipelines;
  std::vector<Edge> edges;
  for (int module = 0; module < layout.modules(); ++module) {
    pipelines.push_back(layout.joins() ? module : 0);
    if (layout.joins() && !model.is_llm(module)) edges.push_back({module, model.llm_module()});
  }
  if (layout.pipelines != pipelines || layout.edges != edges || Index(pipelines.back()) + 1 != layout.replicas.size()) {
    return {"", "joins its modules otherwise than in one pipeline, or in one each that feeds the LLM's"};
  }
  for (int module = 0; module < layout.modules(); ++module) {
    if (layout.replicas_of(module) < 1) return {At("degrees", Index(module)), "has a degree below 1"};
  }
  return {};
}

}  // namespace

LayoutFault FindFault(const Layout& layout, const ModelSpec& model, const ClusterSpec& cluster) {
  LayoutFault fault = FaultOfPipelines(layout, model);
  if (!fault.what.empty()) return fault;
  if (layout.microbatches < 1) return {"/microbatches", "is below 1"};
  fault = FaultOfGroups(layout, cluster);
  if (fault.what.empty()) fault = FaultOfStages(layout, model);
  if (fault.what.empty()) fault = FaultOfLayers(layout, model);
  if (fault.what.empty()) fault = FaultOfOrder(layout, model);
  if (fault.what.empty()) fault = FaultOfSharing(layout);
  if (fault.what.empty()) fault = FaultOfMeshes(layout, model);
  return fault;
}

}  // namespace dflop
