// Costs of a part are remembered by module, TP and size of the microbatch, small ones on a logarithmic grid.
#include "policies/layout_search/choice_estimate.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/index.hpp"
#include "models/network/node_collectives.hpp"
#include "policies/api/module_stages.hpp"
#include "policies/layout_search/plan_simulator.hpp"

namespace dflop {
namespace {

// Parts are exact up to kExact, then of the nearest of kPerOctave sizes an octave, scaled: the expectation need not be
// exact, and large clusters have thousands of them.
constexpr int kExact = 256;
constexpr int kPerOctave = 32;
// Steps of the bound's grid; it is looser by this much at most.
constexpr double kGrid = 1.02;
constexpr int kTensorDegrees = 9;

int CellIndex(int parts) {
  if (parts <= kExact) return parts;
  return kExact + static_cast<int>(std::lround(kPerOctave * std::log2(static_cast<double>(parts) / kExact)));
}
double PartsOfCell(int index) {
  if (index <= kExact) return index;
  return kExact * std::exp2(static_cast<double>(index - kExact) / kPerOctave);
}

ModulePart PartOf(int module, int layers, bool input, bool output, int tp) {
  return {.module = module,
          .first_layer = 0,
          .layers = layers,
          .has_input = input,
          .has_output = output,
          .mesh = {.tp = tp}};
}

double StateBytes(const CostModel& cost, const ModulePart& part, int replicas) {
  const StateMemory state = cost.State(part, replicas);
  return (state.weights + state.gradients + state.optimizer + state.buffers).value();
}

}  // namespace

ChoiceEstimate::ChoiceEstimate(const PlanningProblem& problem, const std::vector<SampleShape>& batch)
    : cost_(problem.cost), kind_(problem.cost.cluster().fastest_kind()) {
  const ModelSpec& model = cost_.model();
  for (std::size_t e = 0; e < model.encoders.size(); ++e) {
    double tiles = 0;
    for (const SampleShape& sample : batch) tiles += sample.tiles[e];
    totals_.push_back(tiles);
    whole_.push_back(EncoderBatch(model.encoders[e], tiles));
  }
  SequenceBatch llm;
  double largest = 0;
  for (const SampleShape& sample : batch) {
    llm.Add(sample.llm_tokens, 1, 0, sample.media_tokens);
    largest = std::max<double>(largest, sample.llm_tokens);
  }
  totals_.push_back(llm.tokens);
  largest_share_ = largest / llm.tokens;
  whole_.push_back(std::move(llm));
  memory_ = cost_.cluster().smallest_memory().value() * (1 - kMemoryReserve) - cost_.software().workspace_bytes;
  cells_.resize(whole_.size() * kTensorDegrees);
  last_sides_.resize(whole_.size());
  rates_.resize(whole_.size() * kTensorDegrees);
}

SequenceBatch ChoiceEstimate::MeanBatch(int module, double parts) const {
  SequenceBatch mean;
  for (const auto& group : whole_[Index(module)].groups) mean.Add(group.length, group.count / parts, 0, group.media);
  return mean;
}

const ChoiceEstimate::Cell& ChoiceEstimate::CellOf(int module, int tp, int parts, double& scale) {
  const int index = CellIndex(parts);
  const double represented = PartsOfCell(index);
  scale = represented / parts;
  std::vector<Cell>& cells = cells_[Index(module * kTensorDegrees + tp)];
  if (cells.size() <= Index(index)) cells.resize(Index(index) + 1);
  Cell& cell = cells[Index(index)];
  if (cell.known) return cell;
  const SequenceBatch batch = MeanBatch(module, represented);
  const auto seconds = [&](const ModulePart& part) { return WholeTime(cost_.Part(part, batch, kind_)).value(); };
  // Of layers that see other tokens than the rest the mean counts: a stage holds some of each.
  const TransformerShape& shape = cost_.model().shape(module);
  const int layers = shape.has_cross_layers() ? shape.layers : 1;
  const ModulePart layer = PartOf(module, layers, false, false, tp);
  const ModulePart output = PartOf(module, 0, false, true, tp);
  cell.known = true;
  cell.layer = seconds(layer) / layers;
  cell.input = seconds(PartOf(module, 0, true, false, tp));
  cell.output = seconds(output);
  cell.layer_bytes = cost_.NeedsBackward(layer) ? cost_.Activations(layer, batch).value() / layers : 0;
  cell.transient_bytes = std::max(cost_.Transient(layer, batch).value(),
                                  cost_.Transient(PartOf(module, layers, false, true, tp), batch).value());
  cell.boundary_bytes = cost_.BoundaryBytes(module, batch).value();
  return cell;
}

/// How many layers fewer make the LLM's last stage, with head and loss, as long as the others.
int ChoiceEstimate::FewerForHead(const LayoutChoice& choice, int stages) {
  double scale = 1;
  const int llm = cost_.model().llm_module();
  const Cell& cell = CellOf(llm, choice.llm.tp, choice.microbatches * choice.directions * choice.llm.dp, scale);
  return static_cast<int>(std::lround((cell.output - cell.input) / cell.layer * (stages - 1) / stages));
}

/// The least time per token over all microbatch sizes, without attention over more than a tile.
const ChoiceEstimate::Rates& ChoiceEstimate::RatesOf(int module, int tp) {
  Rates& rates = rates_[Index(module * kTensorDegrees + tp)];
  if (rates.known) return rates;
  rates.known = true;
  rates.layer = rates.input = rates.output = std::numeric_limits<double>::infinity();
  const ModelSpec& model = cost_.model();
  const bool llm = model.is_llm(module);
  const double total = std::ceil(totals_[Index(module)]);
  for (double size = 1; size <= total;) {
    const double next = std::max(size + 1, std::floor(size * kGrid));
    SequenceBatch batch;
    if (llm) {
      batch.tokens = size;  // of no sequence: no attention
    } else {
      batch = EncoderBatch(model.encoders[Index(module)], size);
    }
    // Sizes are whole, so the largest that this one stands for is next − 1.
    const auto rate = [&](const ModulePart& part) {
      return WholeTime(cost_.Part(part, batch, kind_)).value() / (next - 1);
    };
    rates.layer = std::min(rates.layer, rate(PartOf(module, 1, false, false, tp)));
    if (const std::vector<int>& cross = model.shape(module).cross_layers; !cross.empty()) {
      ModulePart seeing = PartOf(module, 1, false, false, tp);
      seeing.first_layer = cross.front();
      rates.layer = std::min(rates.layer, rate(seeing));
    }
    rates.input = std::min(rates.input, rate(PartOf(module, 0, true, false, tp)));
    rates.output = std::min(rates.output, rate(PartOf(module, 0, false, true, tp)));
    size = next;
  }
  return rates;
}

/// By the node's law, the busiest link found without looking at GPUs.
double ChoiceEstimate::ReductionSeconds(const ModulePart& part, int replicas) const {
  if (replicas == 1) return 0;
  const NodeSpec& node = Node();
  RingWork work;
  work.ranks = replicas;
  work.domains = std::max(1, (part.mesh.tp * replicas + node.domain() - 1) / node.domain());
  work.bytes = cost_.GradientBytes(part);
  const Bytes sent = work.bytes * SentShare(work.op, replicas);
  work.nvlink = sent / node.intra_rate();
  if (work.domains > 1) work.nic = sent / (node.nic_rate() * std::max(1, node.nics / part.mesh.tp));
  work.nvlink_nominal = node.intra_bandwidth;
  work.nvlink_hop = node.intra_latency;
  work.nic_hop = node.nic_latency;
  work.nic_ramp = node.nic_ramp;
  work.in_switch = cost_.cluster().in_switch_reduction();
  const double share = cost_.software().overlap_gradients ? 1.0 / std::max(1, part.layers) : 1.0;
  return share * PriceCollective(node.law, work).time.value();
}

ChoiceEstimate::Side ChoiceEstimate::MakeSide(int module, const ModuleDegrees& d, int stages, int fewer_last) {
  const std::vector<int> split = SplitLayers(cost_.model().shape(module).layers, stages, fewer_last);
  Side side;
  side.front = *std::max_element(split.begin(), split.end());
  side.back = split.back();
  const Rates& rates = RatesOf(module, d.tp);
  const double share = totals_[Index(module)] / d.dp;
  side.optimizer = std::numeric_limits<double>::infinity();
  for (const bool first : {true, false}) {
    if (!first && stages == 1) break;
    const bool last = !first || stages == 1;
    const ModulePart part = PartOf(module, first ? split.front() : split.back(), first, last, d.tp);
    const double optimizer = cost_.OptimizerStep(part, d.dp, kind_).value();
    side.state_bytes = std::max(side.state_bytes, StateBytes(cost_, part, d.dp));
    side.optimizer = std::min(side.optimizer, optimizer);
    side.end = std::max(side.end, optimizer + ReductionSeconds(part, d.dp));
    const double bound = share * (part.layers * rates.layer + (first ? rates.input : 0) + (last ? rates.output : 0));
    (first ? side.front_bound : side.back_bound) = bound + optimizer;
  }
  return side;
}

const ChoiceEstimate::Side& ChoiceEstimate::SideOf(int module, const ModuleDegrees& d, int stages, int fewer_last) {
  // Choices come in rows of the same degrees, so the last answer is mostly the next.
  const SideKey key{module, d.tp, d.dp, stages, fewer_last};
  auto& [last_key, last] = last_sides_[Index(module)];
  if (last != nullptr && last_key == key) return *last;
  const auto [entry, is_new] = sides_.try_emplace(key);
  if (is_new) entry->second = MakeSide(module, d, stages, fewer_last);
  last_key = key;
  last = &entry->second;
  return entry->second;
}

/// As many parts as make each the share that the busiest of the groups has of a microbatch: tiles stay whole, so that
/// it has (groups − 1)/2 · 1/groups of a tile more than the mean, all remainders being as likely.
int ChoiceEstimate::BusiestParts(int module, int parts, int groups) const {
  if (groups == 1) return parts;
  const double total = totals_[Index(module)];
  const double share = (total / parts + (groups - 1) / 2.0) / groups;
  return std::max(1, static_cast<int>(std::lround(total / share)));
}

/// Of the projected tiles of a microbatch that was divided.
double ChoiceEstimate::GatherSeconds(int module, int parts, int groups) const {
  if (groups == 1) return 0;
  return IntraNodeAllGather(Node(), groups, cost_.ProjectedBytes(module, totals_[Index(module)] / parts)).value();
}

ChoiceEstimate::Module ChoiceEstimate::At(int module, const ModuleDegrees& d, int stages, int fewer_last, int parts,
                                          int groups) {
  Module at;
  at.side = &SideOf(module, d, stages, fewer_last);
  double scale = 1;
  const Cell& cell = CellOf(module, d.tp, BusiestParts(module, parts, groups), scale);
  const double gather = GatherSeconds(module, parts, groups);
  const int layers = cost_.model().shape(module).layers;
  at.whole = scale * (layers * cell.layer + cell.input + cell.output) + gather;
  at.slowest = stages == 1 ? at.whole
                           : std::max(scale * (at.side->front * cell.layer + cell.input),
                                      scale * (at.side->back * cell.layer + cell.output) + gather);
  at.activations = scale * at.side->front * cell.layer_bytes * (1 + cost_.software().fragmentation);
  at.transient = scale * cell.transient_bytes;
  at.boundary = scale * cell.boundary_bytes;
  return at;
}

double ChoiceEstimate::Peak(const Module& module, int in_flight) {
  return module.side->state_bytes + in_flight * module.activations + module.transient;
}

void ChoiceEstimate::SetMemory(StepEstimate& estimate, double state, double peak) const {
  estimate.state_fits = state <= memory_;
  estimate.likely_fits = peak <= memory_;
  estimate.bytes = Bytes(peak);
}

double ChoiceEstimate::HopSeconds(double bytes, int tp) const {
  const NodeSpec& node = Node();
  const double share = cost_.software().scatter_transfers ? bytes / tp : bytes;
  return (node.law.launch + node.nic_latency).value() + share / node.nic_rate().value();
}

StepEstimate ChoiceEstimate::Of(const LayoutChoice& choice) {
  if (choice.spread()) return Spread(choice);
  return choice.separate() ? Separate(choice) : Homogeneous(choice);
}

StepEstimate ChoiceEstimate::Homogeneous(const LayoutChoice& choice) {
  // What context-parallel ranks hold of a microbatch is what as many replicas hold of smaller ones.
  const int cp = choice.llm.cp;
  const ModuleDegrees d{.tp = choice.llm.tp, .pp = choice.llm.pp, .dp = choice.llm.dp * cp};
  const int llm = cost_.model().llm_module();
  // Of a row of devices, which two directions share.
  const int microbatches = choice.microbatches * choice.directions;
  const int parts = microbatches * d.dp;
  const double straggler = std::max(1.0, largest_share_ * microbatches * choice.llm.dp);
  const bool shared = d.pp == 1;
  const int llm_stages = shared ? 1 : d.pp * choice.chunks - choice.encoder_stages;
  const Module last = At(llm, d, llm_stages, choice.fewer_last, parts);
  StepEstimate estimate;
  double slowest = last.slowest;
  double whole = last.whole;
  double end = last.side->end;
  double state = last.side->state_bytes * choice.chunks;
  double bound = std::max(last.side->front_bound, last.side->back_bound);
  const int groups = choice.encoder_groups();
  const ModuleDegrees encoder_degrees{d.tp / groups, d.pp, d.dp * groups, false};
  // Stages of one device add up where there is no pipeline, and so do their bounds.
  Module first;
  for (int e = 0; e < llm; ++e) {
    const Module encoder = At(e, encoder_degrees, std::max(1, choice.encoder_stages), 0, parts, groups);
    slowest = shared ? slowest + encoder.slowest : std::max(slowest, encoder.slowest);
    whole += encoder.whole;
    end = shared ? end + encoder.side->end : std::max(end, encoder.side->end);
    state = shared ? state + encoder.side->state_bytes : std::max(state, encoder.side->state_bytes);
    const double encoder_bound = std::max(encoder.side->front_bound, encoder.side->back_bound);
    bound = shared ? bound + encoder_bound : std::max(bound, encoder_bound);
    first.activations += encoder.activations;
    first.transient += encoder.transient;
    first.side = encoder.side;
  }
  const double hops = shared ? 0 : 2.0 * (d.pp * choice.chunks - 1) * HopSeconds(last.boundary, d.tp);
  const double device = slowest * choice.chunks;
  // Of two directions a device runs its stages on half of the microbatches each.
  estimate.bound = Seconds(bound / choice.directions);
  estimate.expected =
      Seconds((microbatches - 1) * device + (whole * straggler / choice.chunks + hops) + end * choice.directions);
  // A device with several stages holds the state of each; the largest part's is certain to be among them.
  const double certain = choice.chunks > 1 ? last.side->state_bytes : state;
  const int in_flight = std::min(microbatches, d.pp);
  double peak = state + last.activations + first.activations + last.transient;
  if (!shared) {
    const int behind = llm > 0 ? std::max(1, in_flight - choice.encoder_stages) : in_flight;
    peak = Peak(last, behind * choice.chunks);
    if (llm > 0) peak = std::max(peak, Peak(first, in_flight));
  }
  peak += (choice.directions - 1) * last.side->state_bytes;
  SetMemory(estimate, certain, peak);
  return estimate;
}

/// Between an encoder and the LLM, of the union of a microbatch.
ChoiceEstimate::Join ChoiceEstimate::JoinOf(int e, const LayoutChoice& choice) const {
  const ModuleDegrees& encoder = choice.encoders[Index(e)];
  const NodeSpec& node = Node();
  const double union_bytes = cost_.ProjectedBytes(e, totals_[Index(e)] / choice.microbatches).value();
  const double nic = node.nic_rate().value();
  const double latency = (node.law.launch + node.nic_latency).value();
  if (choice.family == LayoutFamily::kSeparateHub) {
    const double busy = union_bytes / nic + choice.llm.dp * latency;
    return {busy, busy + (encoder.dp > 1 ? union_bytes / nic + latency : 0)};
  }
  const double busy = union_bytes / choice.llm.dp / nic / std::min(choice.llm.tp, encoder.dp * encoder.tp) + latency;
  return {busy, busy};
}

StepEstimate ChoiceEstimate::Separate(const LayoutChoice& choice) {
  const int m = choice.microbatches;
  const Module llm = At(cost_.model().llm_module(), choice.llm, choice.llm.pp, choice.fewer_last, m * choice.llm.dp);
  const double straggler = std::max(1.0, largest_share_ * m * choice.llm.dp);
  double bound = std::max(llm.side->front_bound, llm.side->back_bound);
  double slowest = llm.slowest;
  double before = 0;  // of the first microbatch, until the LLM has it
  double hops = 0;
  double end = llm.side->end;
  double state = llm.side->state_bytes;
  double peak = Peak(llm, std::min(m, choice.llm.pp));
  for (int e = 0; e < cost_.model().llm_module(); ++e) {
    const ModuleDegrees& degrees = choice.encoders[Index(e)];
    const Module encoder = At(e, degrees, degrees.pp, 0, m * degrees.dp);
    const Join join = JoinOf(e, choice);
    bound = std::max({bound, encoder.side->front_bound, encoder.side->back_bound});
    slowest = std::max({slowest, encoder.slowest, join.busy});
    before = std::max(before, encoder.whole + 2 * join.way);
    hops = std::max(hops, 2.0 * (degrees.pp - 1) * HopSeconds(encoder.boundary, degrees.tp));
    end = std::max(end, encoder.side->end);
    state = std::max(state, encoder.side->state_bytes);
    peak = std::max(peak, Peak(encoder, std::min(m, degrees.pp + choice.llm.pp)));
  }
  hops += 2.0 * (choice.llm.pp - 1) * HopSeconds(llm.boundary, choice.llm.tp);
  StepEstimate estimate;
  estimate.bound = Seconds(bound);
  estimate.expected = Seconds((m - 1) * slowest + before + llm.whole * straggler + hops + end);
  SetMemory(estimate, state, peak);
  return estimate;
}

// All microbatches are encoded before the pipeline and run back behind it, by every device alike.
StepEstimate ChoiceEstimate::Spread(const LayoutChoice& choice) {
  const int m = choice.microbatches;
  const ModuleDegrees& d = choice.llm;
  const Module llm = At(cost_.model().llm_module(), d, d.pp, choice.fewer_last, m * d.dp);
  const double straggler = std::max(1.0, largest_share_ * m * d.dp);
  const double hops = 2.0 * (d.pp - 1) * HopSeconds(llm.boundary, d.tp);
  double bound = std::max(llm.side->front_bound, llm.side->back_bound);
  double encode = 0;
  double end = llm.side->end;
  double state = llm.side->state_bytes;
  double peak = Peak(llm, std::min(m, d.pp));
  for (int e = 0; e < cost_.model().llm_module(); ++e) {
    const int tp = choice.encoders[Index(e)].tp;
    const ModuleDegrees everywhere{.tp = tp, .pp = 1, .dp = d.pp * d.dp * (d.tp / tp)};
    const Module encoder = At(e, everywhere, 1, 0, m * everywhere.dp);
    bound += std::max(encoder.side->front_bound, encoder.side->back_bound);
    encode += m * encoder.whole;
    end += encoder.side->end;
    state += encoder.side->state_bytes;
    peak += Peak(encoder, m);
  }
  StepEstimate estimate;
  estimate.bound = Seconds(bound);
  estimate.expected = Seconds(encode + (m - 1) * llm.slowest + llm.whole * straggler + hops + end);
  SetMemory(estimate, state, peak);
  return estimate;
}

}  // namespace dflop
