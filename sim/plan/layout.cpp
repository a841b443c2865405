// From degrees to stages and groups, and why some degrees are impossible, in words that name the nearest possible ones.
#include "sim/plan/layout.hpp"

#include <algorithm>
#include <numeric>
#include <set>

#include "base/error.hpp"
#include "base/index.hpp"
#include "models/expert_mesh.hpp"
#include "models/tensor_parallel.hpp"

namespace dflop {
namespace {

/// A module's layers over its stages: the first stage embeds, the last one projects or computes the loss, with or
/// without layers beside that.
std::vector<ModulePart> PartsOf(int module, const std::vector<int>& split, const Mesh& mesh) {
  std::vector<ModulePart> parts;
  int first = 0;
  for (std::size_t stage = 0; stage < split.size(); ++stage) {
    parts.push_back({.module = module,
                     .first_layer = first,
                     .layers = split[stage],
                     .has_input = stage == 0,
                     .has_output = stage + 1 == split.size(),
                     .mesh = mesh});
    first += split[stage];
  }
  return parts;
}

std::vector<int> SplitOf(int layers, int stages, int fewer_last, const std::vector<int>& given) {
  return given.empty() ? SplitLayers(layers, stages, fewer_last) : given;
}

std::string ListText(const std::vector<int>& numbers) {
  std::string text;
  for (const int number : numbers) text += (text.empty() ? "" : ", ") + std::to_string(number);
  return text;
}

/// Layers per stage that somebody gave: as many numbers as stages, which hold all layers; only the first and the last
/// may hold none.
std::string WhyGivenLayers(const ModelSpec& model, int module, int stages, const std::vector<int>& given) {
  if (given.empty()) return "";
  const int layers = model.shape(module).layers;
  const std::string entries = "layers_per_stage has " + std::to_string(given.size()) + " entries, ";
  if (static_cast<int>(given.size()) != stages) {
    return entries + model.module_name(module) + " has " + std::to_string(stages) + " stages";
  }
  const int sum = std::accumulate(given.begin(), given.end(), 0);
  if (sum != layers) {
    return "layers_per_stage adds up to " + std::to_string(sum) + ", " + model.module_name(module) + " has " +
           std::to_string(layers) + " layers; evenly they would be " + ListText(SplitLayers(layers, stages));
  }
  for (std::size_t i = 1; i + 1 < given.size(); ++i) {
    if (given[i] == 0)
      return "layers_per_stage leaves stage " + std::to_string(i) + " empty, which neither embeds nor ends";
  }
  return "";
}

/// "2 or 4": the degrees around `tp` that the module can be divided by.
std::string NearestDegrees(const ModelSpec& model, int module, int tp) {
  int below = tp - 1;
  while (!DividesAmong(model, module, below)) --below;  // 1 always does
  const int heads = model.shape(module).heads;
  int above = tp + 1;
  while (above <= heads && !DividesAmong(model, module, above)) ++above;
  return std::to_string(below) + (above <= heads ? " or " + std::to_string(above) : "");
}

/// "2048 or 2056": the widths around `width` that `tp` divides.
std::string NearestWidths(int width, int tp) {
  const int below = width / tp * tp;
  return (below > 0 ? std::to_string(below) + " or " : "") + std::to_string(below + tp);
}

/// What tensor parallelism cannot cut into equal whole parts, with the nearest that it can.
std::string WhyDivision(const ModelSpec& model, int module, int tp) {
  if (DividesAmong(model, module, tp)) return "";
  const TransformerShape& shape = model.shape(module);
  const std::string& name = model.module_name(module);
  const std::string degrees = NearestDegrees(model, module, tp);
  const std::string cannot = "tensor parallelism " + std::to_string(tp) + " does not divide the ";
  if (shape.heads % tp != 0) {
    return cannot + std::to_string(shape.heads) + " heads of " + name + "; nearest that does: " + degrees;
  }
  const UncutWidth uncut = FindUncutWidth(model, module, tp);
  return cannot + uncut.name + " " + std::to_string(uncut.width) + " of " + name + "; nearest that does: " + degrees +
         ", or a width of " + NearestWidths(uncut.width, tp);
}

std::string WhyStages(const ModelSpec& model, int module, int stages, const std::vector<int>& given = {}) {
  if (!given.empty()) return WhyGivenLayers(model, module, stages, given);
  const int layers = model.shape(module).layers;
  if (stages <= layers) return "";
  return model.module_name(module) + " has " + std::to_string(layers) + " layers, too few for " +
         std::to_string(stages) + " stages";
}

std::string WhyGpus(int wanted, const ClusterSpec& cluster) {
  if (wanted <= cluster.gpus()) return "";
  return "wants " + std::to_string(wanted) + " GPUs, the cluster has " + std::to_string(cluster.gpus());
}

/// Groups of `tp` GPUs from `first` on: do they all stay inside an NVLink domain?
std::string WhyNodes(PlacementOrder order, int first, int groups, int tp, const ClusterSpec& cluster) {
  if (order == PlacementOrder::kGiven) return "";
  for (int g = 0; g < groups; ++g) {
    const int gpu = first + g * tp;
    if (!cluster.same_domain(gpu, gpu + tp - 1)) {
      const NodeSpec& node = cluster.node_at(gpu);
      const std::string domains = node.domain() == node.gpus ? "nodes of " : "NVLink domains of ";
      return "the tensor-parallel group of GPUs " + std::to_string(gpu) + " to " + std::to_string(gpu + tp - 1) +
             " would cross " + domains + std::to_string(node.domain());
    }
  }
  return "";
}

int LlmGroup(const SeparateDegrees& degrees) { return degrees.llm.tp * degrees.llm.cp; }

std::string WhySpread(const ModelSpec& model, int module, const SeparateDegrees& degrees) {
  const int group = LlmGroup(degrees);
  const int tp = degrees.encoders[Index(module)].tp;
  if (group % tp == 0) return "";
  int below = tp;
  while (group % below != 0) --below;
  return "tensor parallelism " + std::to_string(tp) + " of " + model.module_name(module) + " does not divide the " +
         std::to_string(group) +
         " GPUs of a device group that it is spread over; nearest that does: " + std::to_string(below);
}

std::string WhyEncoderContext(const ModelSpec& model, int module, const ModuleDegrees& degrees) {
  if (model.is_llm(module) || degrees.cp == 1) return "";
  return model.module_name(module) + " has no cp: its replicas divide whole tiles; give it dp " +
         std::to_string(degrees.cp * degrees.dp);
}

std::string FirstOf(std::initializer_list<std::string> reasons) {
  for (const std::string& reason : reasons) {
    if (!reason.empty()) return reason;
  }
  return "";
}

int EncoderTp(const HomogeneousDegrees& d) { return d.encoder_tp > 0 ? d.encoder_tp : d.tp; }

std::string FewerText(int fewer_last) {
  return fewer_last > 0 ? ", the last stage " + std::to_string(fewer_last) + " layers fewer" : "";
}

std::string GivenText(const std::vector<int>& layers) { return layers.empty() ? "" : ", layers " + ListText(layers); }

std::string CommunicatorText(Communicator communicator) {
  return std::string(communicator.hub() ? "" : ", direct") + (communicator.blocking ? ", blocking" : "");
}

/// How many device groups of its module stand before that of a stage of a replica.
int PlaceOf(PlacementOrder order, int stage, int replica, int stages, int replicas) {
  return order == PlacementOrder::kStages ? replica * stages + stage : stage * replicas + replica;
}

/// The middle one of an odd number would hold a stage twice.
std::string WhyDirections(const HomogeneousDegrees& d) {
  if (d.directions == 1) return "";
  if (d.directions != 2) return "pipelines share devices in 1 or 2 directions, not " + std::to_string(d.directions);
  if (d.pp % 2 == 0) return "";
  return "two directions want an even number of pipeline stages' devices, not pp " + std::to_string(d.pp) +
         "; nearest that do: " + (d.pp > 1 ? std::to_string(d.pp - 1) + " or " : "") + std::to_string(d.pp + 1);
}

std::string DegreeText(const ModuleDegrees& d) {
  std::string text = "tp" + std::to_string(d.tp);
  if (d.cp > 1) text += " cp" + std::to_string(d.cp);
  text += " pp" + std::to_string(d.pp) + " dp" + std::to_string(d.dp);
  if (d.ep > 1) text += " ep" + std::to_string(d.ep);
  if (d.etp > 1) text += " etp" + std::to_string(d.etp);
  return text;
}

}  // namespace

bool Layout::feeds(int module) const {
  const int pipeline = pipelines[Index(module)];
  return std::any_of(edges.begin(), edges.end(), [&](const Edge& edge) { return edge.from == pipeline; });
}

int Layout::gpus_used() const {
  int used = 0;
  for (const DeviceGroup& group : groups) used += group.size;
  return used;
}

KindId KindOf(const Stage& stage, const Layout& layout, const ClusterSpec& cluster) {
  return cluster.kind_of(layout.groups[Index(stage.group)].first_gpu);
}

double SpeedOf(const Stage& stage, const Layout& layout, const ClusterSpec& cluster) {
  const DeviceGroup& group = layout.groups[Index(stage.group)];
  return cluster.SlowestSpeed(group.first_gpu, group.size);
}

std::vector<int> SplitLayers(int layers, int stages, int fewer_last) {
  if (fewer_last > 0 && stages > 1) {
    const int last = std::max(1, layers / stages - fewer_last);
    std::vector<int> split = SplitLayers(layers - last, stages - 1);
    split.push_back(last);
    return split;
  }
  std::vector<int> split(static_cast<std::size_t>(stages), layers / stages);
  for (int i = 0; i < layers % stages; ++i) ++split[static_cast<std::size_t>(i)];
  return split;
}

namespace {

std::string ChunksText(int chunks, bool turns_back) {
  if (chunks == 1) return "";
  const std::string how = !turns_back ? "" : chunks == 2 ? " in a V" : " in waves";
  return ", " + std::to_string(chunks) + " chunks a device" + how;
}

/// Of so many, the device of a stage: round and round, or down and up again.
int DeviceInTurn(int stage, int devices, bool turns_back) {
  const bool upwards = turns_back && stage / devices % 2 == 1;
  return upwards ? devices - 1 - stage % devices : stage % devices;
}

}  // namespace

std::string WhyImpossible(const HomogeneousDegrees& d, const ModelSpec& model, const ClusterSpec& cluster) {
  const bool has_encoder = !model.encoders.empty();
  const int stages = d.pp * d.chunks;
  if (d.encoder_tp > 0 && (!has_encoder || d.tp % d.encoder_tp != 0)) {
    return has_encoder ? "encoder_tp " + std::to_string(d.encoder_tp) + " does not divide tp " + std::to_string(d.tp)
                       : "a model without encoder has no encoder_tp";
  }
  if (d.turns_back && d.chunks % 2 != 0) return "a pipeline that turns back has an even number of chunks a device";
  if (d.chunks > 1 && d.pp == 1) return "a pipeline of one device has nothing to interleave";
  if (const std::string why = WhyDirections(d); !why.empty()) return why;
  if (has_encoder && d.pp > 1 && (d.encoder_stages < 1 || d.encoder_stages >= stages)) {
    return "a pipeline of " + std::to_string(stages) + " stages needs 1 to " + std::to_string(stages - 1) +
           " encoder stages, not " + std::to_string(d.encoder_stages);
  }
  if ((!has_encoder || d.pp == 1) && d.encoder_stages != 0) {
    const std::string what = has_encoder ? "a pipeline of one stage" : "a model without encoder";
    return what + " has no encoder-only stage, not " + std::to_string(d.encoder_stages);
  }
  std::string why =
      FirstOf({WhyGpus(d.gpus(), cluster), WhyNodes(d.order, 0, d.pp * d.dp * d.cp, d.tp, cluster),
               WhyDivision(model, model.llm_module(), d.tp),
               WhyStages(model, model.llm_module(), stages - d.encoder_stages, d.layers_per_stage),
               WhyCrossContext(model, model.llm_module(), d.cp),
               WhyExpertMesh(model, model.llm_module(), {.tp = d.tp, .cp = d.cp, .ep = d.ep, .etp = d.etp}, d.dp)});
  for (int e = 0; why.empty() && e < model.llm_module(); ++e) {
    why = FirstOf({WhyDivision(model, e, EncoderTp(d)), WhyStages(model, e, std::max(1, d.encoder_stages))});
  }
  return why;
}

std::string WhyImpossible(const SeparateDegrees& d, const ModelSpec& model, const ClusterSpec& cluster) {
  if (d.chunks > 1 && d.llm.pp == 1) return "a pipeline of one device has nothing to interleave";
  int first = 0;
  for (int module = 0; module < model.module_count(); ++module) {
    const ModuleDegrees& m = model.is_llm(module) ? d.llm : d.encoders[static_cast<std::size_t>(module)];
    if (m.spread) {
      const std::string why = FirstOf({WhySpread(model, module, d), WhyDivision(model, module, m.tp)});
      if (!why.empty()) return why;
      continue;
    }
    const std::string why = FirstOf(
        {WhyEncoderContext(model, module, m), WhyCrossContext(model, module, m.cp), WhyGpus(first + m.gpus(), cluster),
         WhyNodes(d.order, first, m.pp * m.dp * m.cp, m.tp, cluster), WhyDivision(model, module, m.tp),
         WhyStages(model, module, model.is_llm(module) ? m.pp * d.chunks : m.pp, m.layers_per_stage),
         WhyExpertMesh(model, module, {.tp = m.tp, .cp = m.cp, .ep = m.ep, .etp = m.etp}, m.dp)});
    if (!why.empty()) return why;
    first += m.gpus();
  }
  return "";
}

Layout BuildLayout(const HomogeneousDegrees& d, const ModelSpec& model, const ClusterSpec& cluster) {
  DFLOP_CHECK(WhyImpossible(d, model, cluster).empty(), WhyImpossible(d, model, cluster));
  const int encoder_pp = std::max(1, d.encoder_stages);
  // With one device for everything the encoders and the LLM are two stages of it.
  const int llm_first = model.encoders.empty() ? 0 : encoder_pp;
  const int depth = std::max(d.pp * d.chunks, llm_first + 1);
  std::vector<std::vector<ModulePart>> parts(static_cast<std::size_t>(depth));
  for (int module = 0; module < model.module_count(); ++module) {
    const bool llm = model.is_llm(module);
    const int stages = llm ? depth - llm_first : encoder_pp;
    const int tp = llm ? d.tp : EncoderTp(d);
    const int layers = model.shape(module).layers;
    const Mesh mesh{.tp = tp,
                    .cp = llm ? d.cp : 1,
                    .data_split = llm ? 1 : d.group() / tp,
                    .sequence_parallel = d.sequence_parallel && tp == d.tp,
                    .ep = llm ? d.ep : 1,
                    .etp = llm ? d.etp : 1};
    const auto split = SplitOf(layers, stages, llm ? d.fewer_last : 0, llm ? d.layers_per_stage : std::vector<int>{});
    const auto module_parts = PartsOf(module, split, mesh);
    for (std::size_t s = 0; s < module_parts.size(); ++s) {
      parts[s + static_cast<std::size_t>(llm ? llm_first : 0)].push_back(module_parts[s]);
    }
  }

  Layout layout;
  for (int stage = 0; stage < d.pp; ++stage) {
    for (int r = 0; r < d.dp; ++r) {
      layout.groups.push_back({PlaceOf(d.order, stage, r, d.pp, d.dp) * d.group(), d.group()});
    }
  }
  for (int r = 0; r < d.dp * d.directions; ++r) {
    for (int s = 0; s < depth; ++s) {
      const int down = DeviceInTurn(s, d.pp, d.turns_back);
      const int device = r < d.dp ? down : d.pp - 1 - down;
      layout.stages.push_back({r, s, device * d.dp + r % d.dp, parts[static_cast<std::size_t>(s)]});
    }
  }
  layout.pipelines.assign(Index(model.module_count()), 0);
  layout.replicas = {d.dp * d.directions};
  layout.directions = d.directions;
  layout.microbatches = d.microbatches;
  layout.depth = depth;
  layout.name = "uniform " + DegreeText({.tp = d.tp, .pp = d.pp, .dp = d.dp, .cp = d.cp, .ep = d.ep, .etp = d.etp}) +
                (d.encoder_stages > 0 ? ", encoder on the first " + std::to_string(d.encoder_stages) : "") +
                (EncoderTp(d) < d.tp ? ", encoder tp" + std::to_string(d.encoder_tp) : "") +
                ChunksText(d.chunks, d.turns_back) + (d.directions == 2 ? ", in two directions" : "") +
                FewerText(d.fewer_last) + GivenText(d.layers_per_stage) + ", " +
                std::to_string(layout.microbatches_of_row()) + " microbatches";
  return layout;
}

Layout InSplits(Layout layout, int splits) {
  layout.splits = splits;
  if (splits > 1) layout.name += " in " + std::to_string(splits) + " splits";
  return layout;
}

namespace {

/// Puts the modules of a separate layout one after the other on the cluster.
class SeparateBuilder {
 public:
  SeparateBuilder(const SeparateDegrees& degrees, const ModelSpec& model) : d_(degrees), model_(model) {
    for (const ModuleDegrees& encoder : d_.encoders) {
      encoder_depth_ = std::max(encoder_depth_, encoder.spread ? 1 : encoder.pp);
      if (!encoder.spread) llm_first_group_ += encoder.pp * encoder.dp;
    }
  }

  Layout Build() {
    for (int module = 0; module < model_.module_count(); ++module) {
      const ModuleDegrees& m = model_.is_llm(module) ? d_.llm : d_.encoders[Index(module)];
      m.spread ? Spread(module, m) : Place(module, m);
      layout_.pipelines.push_back(module);
      if (!model_.is_llm(module)) layout_.edges.push_back({module, model_.llm_module()});
      layout_.name += (module > 0 ? " | " : "") + model_.module_name(module) + " " +
                      (m.spread ? "spread tp" + std::to_string(m.tp) : DegreeText(m)) + GivenText(m.layers_per_stage);
    }
    layout_.microbatches = d_.microbatches;
    layout_.depth = encoder_depth_ + d_.llm.pp * d_.chunks;
    layout_.communicator = d_.communicator;
    layout_.name += ChunksText(d_.chunks, d_.turns_back) + CommunicatorText(d_.communicator) + FewerText(d_.fewer_last);
    layout_.name += ", " + std::to_string(d_.microbatches) + " microbatches";
    return std::move(layout_);
  }

 private:
  void Place(int module, const ModuleDegrees& m) {
    const int layers = model_.shape(module).layers;
    const bool llm = model_.is_llm(module);
    const int stages = llm ? m.pp * d_.chunks : m.pp;
    const auto split = SplitOf(layers, stages, llm ? d_.fewer_last : 0, m.layers_per_stage);
    const auto parts = PartsOf(
        module, split, {.tp = m.tp, .cp = m.cp, .sequence_parallel = m.sequence_parallel, .ep = m.ep, .etp = m.etp});
    const int first_group = static_cast<int>(layout_.groups.size());
    for (int g = 0; g < m.pp * m.dp; ++g) {
      layout_.groups.push_back(
          {first_gpu_ + PlaceOf(d_.order, g / m.dp, g % m.dp, m.pp, m.dp) * m.tp * m.cp, m.tp * m.cp});
    }
    first_gpu_ += m.gpus();
    // A short encoder starts late: all encoders end just before the LLM begins.
    const int first_depth = llm ? encoder_depth_ : encoder_depth_ - m.pp;
    for (int r = 0; r < m.dp; ++r) {
      for (int s = 0; s < stages; ++s) {
        const int device = DeviceInTurn(s, m.pp, llm && d_.turns_back);
        layout_.stages.push_back({r, first_depth + s, first_group + device * m.dp + r, {parts[Index(s)]}});
      }
    }
    layout_.replicas.push_back(m.dp);
  }

  /// A replica of the whole encoder on each of the LLM's groups, which come later.
  void Spread(int module, const ModuleDegrees& m) {
    const Mesh mesh{.tp = m.tp, .data_split = LlmGroup(d_) / m.tp, .sequence_parallel = m.sequence_parallel};
    const auto parts = PartsOf(module, {model_.shape(module).layers}, mesh);
    const int groups = d_.llm.pp * d_.llm.dp;
    for (int g = 0; g < groups; ++g) layout_.stages.push_back({g, encoder_depth_ - 1, llm_first_group_ + g, parts});
    layout_.replicas.push_back(groups);
  }

  const SeparateDegrees& d_;
  const ModelSpec& model_;
  Layout layout_;
  int encoder_depth_ = 0;
  int llm_first_group_ = 0;
  int first_gpu_ = 0;
};

}  // namespace

Layout BuildLayout(const SeparateDegrees& d, const ModelSpec& model, const ClusterSpec& cluster) {
  DFLOP_CHECK(WhyImpossible(d, model, cluster).empty(), WhyImpossible(d, model, cluster));
  return SeparateBuilder(d, model).Build();
}

std::vector<Chain> ChainsOf(const Layout& layout) {
  std::vector<int> last_module(layout.replicas.size());  // by pipeline
  for (int module = 0; module < layout.modules(); ++module)
    last_module[Index(layout.pipelines[Index(module)])] = module;
  std::vector<Chain> chains;
  for (int s = 0; s < static_cast<int>(layout.stages.size()); ++s) {
    const Stage& stage = layout.stages[static_cast<std::size_t>(s)];
    const int module = last_module[Index(layout.pipelines[Index(stage.parts.front().module)])];
    const bool extends = !chains.empty() && chains.back().module == module && chains.back().replica == stage.replica;
    if (!extends) chains.push_back({module, stage.replica, {}});
    chains.back().stages.push_back(s);
  }
  return chains;
}

std::vector<ModuleDegrees> DegreesOf(const Layout& layout) {
  std::vector<ModuleDegrees> degrees(Index(layout.modules()));
  std::vector<std::set<int>> devices(degrees.size());  // of one replica, by module
  for (const Stage& stage : layout.stages) {
    for (const ModulePart& part : stage.parts) {
      if (stage.replica == 0) devices[Index(part.module)].insert(stage.group);
      const Mesh& mesh = part.mesh;
      degrees[Index(part.module)] = {.tp = mesh.tp,
                                     .dp = layout.replicas_of(part.module) / layout.directions * mesh.data_split,
                                     .sequence_parallel = mesh.sequence_parallel,
                                     .cp = mesh.cp,
                                     .ep = mesh.ep,
                                     .etp = mesh.etp};
    }
  }
  for (std::size_t module = 0; module < degrees.size(); ++module) {
    degrees[module].pp = std::max(1, static_cast<int>(devices[module].size()));
  }
  return degrees;
}

std::vector<bool> SpreadStages(const Layout& layout) {
  std::vector<bool> spread(layout.stages.size());
  if (!layout.joins()) return spread;
  std::vector<bool> of_llm(layout.groups.size());
  for (const Stage& stage : layout.stages) {
    if (!layout.feeds(stage.parts.front().module)) of_llm[Index(stage.group)] = true;
  }
  for (std::size_t s = 0; s < layout.stages.size(); ++s) {
    const Stage& stage = layout.stages[s];
    spread[s] = layout.feeds(stage.parts.front().module) && of_llm[Index(stage.group)];
  }
  return spread;
}

std::vector<int> DevicePositions(const Layout& layout) {
  std::vector<int> position_of_group(layout.groups.size(), -1);
  std::vector<std::vector<int>> groups(Index(layout.depth));
  const std::vector<bool> spread = SpreadStages(layout);
  for (std::size_t s = 0; s < layout.stages.size(); ++s) {
    const Stage& stage = layout.stages[s];
    const bool goes_up = layout.DirectionOf(stage.replica) > 0;
    if (!spread[s] && !goes_up) groups[Index(stage.depth)].push_back(stage.group);
  }
  std::vector<int> positions;
  int next = 0;
  for (const std::vector<int>& at_depth : groups) {
    if (at_depth.empty()) {
      positions.push_back(0);
      continue;
    }
    const int known = position_of_group[Index(at_depth.front())];
    positions.push_back(known >= 0 ? known : next++);
    for (const int group : at_depth) position_of_group[Index(group)] = positions.back();
  }
  return positions;
}

}  // namespace dflop
