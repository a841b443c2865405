#include "policies/api/layout_pipeline.hpp"

#include <algorithm>
#include <map>
#include <string>
#include <tuple>
#include <utility>

#include "base/error.hpp"
#include "base/index.hpp"
#include "policies/api/infeasible.hpp"

namespace dflop {
namespace {

/// With several stages per chunk, every forward runs through them in turn, every backward back. The device's chunks
/// begin behind `before` others; those behind them are spread encoders, whose stages come first. A layout's operations
/// count units.
DeviceOrder OverStages(const DeviceOrder& order, int stages, int before, const ScheduleProblem& shape) {
  if (stages == 1 && before == 0 && shape.splits == 1) return order;
  DeviceOrder all;
  for (const ScheduledOp& op : order) {
    if (op.pair > 0 && stages > 1) {
      throw Infeasible("the schedule runs forwards and backwards in pairs, each half on one stage; a chunk here is " +
                       std::to_string(stages) + " stages");
    }
    if (op.chunk >= shape.chunks) {
      all.push_back({op.kind, shape.UnitOf(op), op.chunk - shape.chunks});
      continue;
    }
    for (int s = 0; s < stages; ++s) {
      const int in_chunk = op.kind == OpKind::kForward ? s : stages - 1 - s;
      all.push_back({op.kind, shape.UnitOf(op), before + op.chunk * stages + in_chunk, 0, op.pair});
    }
  }
  return all;
}

/// Encoders that are spread over the pipeline's devices: all their forwards before, all their backwards behind.
DeviceOrder WithEncoders(DeviceOrder order, int encoders, int units) {
  if (encoders == 0) return order;
  DeviceOrder whole;
  const auto add = [&](OpKind kind) {
    for (int k = 0; k < units; ++k) {
      for (int encoder = 0; encoder < encoders; ++encoder) whole.push_back({kind, k, encoder});
    }
  };
  add(OpKind::kForward);
  for (const ScheduledOp& op : order) whole.push_back(op);
  add(OpKind::kBackward);
  return whole;
}

/// Of two directions: as replicas count their microbatches, which on the devices take turns.
DeviceOrder EachWay(const DeviceOrder& order, int directions) {
  if (directions == 1) return order;
  DeviceOrder each;
  for (ScheduledOp op : order) {
    op.microbatch /= directions;
    each.push_back(op);
  }
  return each;
}

std::string Listed(const Placement& placement) {
  std::string text;
  for (const int device : placement) text += " " + std::to_string(device);
  return text;
}

}  // namespace

LayoutPipeline::LayoutPipeline(const PipelineSchedule& schedule, const Layout& layout)
    : layout_(layout),
      positions_(DevicePositions(layout)),
      spread_(SpreadStages(layout)),
      ahead_(layout.stages.size()),
      held_(layout.groups.size()),
      encoders_(layout.groups.size()) {
  for (std::size_t s = 0; s < layout.stages.size(); ++s) {
    ++(spread_[s] ? encoders_ : held_)[Index(layout.stages[s].group)];
  }
  CheckExpressible(schedule);
  FindAhead(schedule.chunks());
  CheckChunks(schedule.chunks());
  const int devices = *std::max_element(positions_.begin(), positions_.end()) + 1;
  shape_ = ShapeOf(schedule, devices, layout.microbatches_of_row());
  if (schedule.places_encoders()) shape_.encoders = *std::max_element(encoders_.begin(), encoders_.end());
  const Placement built = PlacementOfLayout();
  if (built == shape_.placement) return;
  throw Infeasible("the schedule wants its stages on devices" + Listed(shape_.placement) + " of a pipeline, layout " +
                   layout.name + " has them on" + Listed(built));
}

void LayoutPipeline::CheckExpressible(const PipelineSchedule& schedule) const {
  if (schedule.directions() != layout_.directions) {
    const bool both = schedule.directions() > 1;
    throw Infeasible(both ? "the schedule runs two pipelines over the same devices in opposite directions, layout " +
                                layout_.name + " has one; a uniform layout can have two"
                          : "the schedule runs one pipeline over its devices, layout " + layout_.name +
                                " has two in opposite directions");
  }
  if (schedule.splits() != layout_.splits) {
    throw Infeasible("the schedule divides every microbatch in " + std::to_string(schedule.splits()) +
                     " splits, the layout has " + std::to_string(layout_.splits) +
                     "; fixed, dflop, paper-baseline, uniform-tuned and expected-makespan divide sequences, this "
                     "layout's planner does not");
  }
}

/// The devices of the LLM are counted from 0 where those of encoders stand ahead of them.
void LayoutPipeline::FindAhead(int chunks) {
  if (chunks == 1 || !layout_.joins()) return;
  int encoder_devices = layout_.depth;
  for (std::size_t s = 0; s < layout_.stages.size(); ++s) {
    const Stage& stage = layout_.stages[s];
    const bool feeds = layout_.feeds(stage.parts.front().module);
    ahead_[s] = feeds && !spread_[s];
    if (!feeds) encoder_devices = std::min(encoder_devices, positions_[Index(stage.depth)]);
  }
  for (int& position : positions_) position -= encoder_devices;
}

void LayoutPipeline::CheckChunks(int chunks) const {
  for (std::size_t s = 0; s < layout_.stages.size(); ++s) {
    const int held = held_[Index(layout_.stages[s].group)];
    if (ahead_[s] || held % chunks == 0) continue;
    const std::string by =
        layout_.joins() ? "; of layouts with encoders on devices of their own only fixed makes them with chunks" : "";
    throw Infeasible("the schedule wants " + std::to_string(chunks) + " chunks on every device, layout " +
                     layout_.name + " has " + std::to_string(held) + by);
  }
}

/// As if each run of a chunk's stages were one; a chunk torn apart counts several times. The way up, of two directions,
/// is the mirror image of the way down and follows it.
Placement LayoutPipeline::PlacementOfLayout() const {
  std::vector<int> on_pipeline;  // by depth
  for (std::size_t s = 0; s < layout_.stages.size(); ++s) {
    const int depth = layout_.stages[s].depth;
    if (spread_[s] || ahead_[s] || layout_.DirectionOf(layout_.stages[s].replica) > 0) continue;
    if (on_pipeline.size() < positions_.size()) on_pipeline.resize(positions_.size(), -1);
    on_pipeline[Index(depth)] = positions_[Index(depth)];
  }
  std::erase(on_pipeline, -1);  // depths of encoders that are spread
  std::vector<int> depths(Index(shape_.devices));
  for (const int device : on_pipeline) ++depths[Index(device)];
  std::vector<int> met(depths.size());
  Placement placement;
  for (const int device : on_pipeline) {
    const int per_chunk = std::max(1, depths[Index(device)] * layout_.directions / shape_.chunks);
    const bool begins = met[Index(device)]++ % per_chunk == 0;
    if (begins || placement.back() != device) placement.push_back(device);
  }
  if (layout_.directions == 1) return placement;
  for (std::size_t i = 0, down = placement.size(); i < down; ++i) {
    placement.push_back(shape_.devices - 1 - placement[i]);
  }
  return placement;
}

int LayoutPipeline::DeviceOf(const Stage& stage) const {
  const int down = positions_[Index(stage.depth)];
  return layout_.DirectionOf(stage.replica) == 0 ? down : shape_.devices - 1 - down;
}

std::vector<int> LayoutPipeline::ScheduleStages() const {
  const std::vector<std::vector<int>> stages = shape_.StagesOfDevices();
  std::vector<int> met(held_.size());
  std::vector<int> places;
  for (std::size_t s = 0; s < layout_.stages.size(); ++s) {
    const Stage& stage = layout_.stages[s];
    if (spread_[s] || ahead_[s]) {
      places.push_back(-1);
      continue;
    }
    const int chunk = met[Index(stage.group)]++ / (held_[Index(stage.group)] / shape_.chunks);
    places.push_back(stages[Index(DeviceOf(stage))][Index(chunk)]);
  }
  return places;
}

std::vector<LayoutPipeline::SpreadPlace> LayoutPipeline::SpreadPlaces() const {
  std::vector<int> device_of_group(layout_.groups.size(), -1), met(layout_.groups.size());
  for (std::size_t s = 0; s < layout_.stages.size(); ++s) {
    const Stage& stage = layout_.stages[s];
    if (!spread_[s]) device_of_group[Index(stage.group)] = positions_[Index(stage.depth)];
  }
  std::vector<SpreadPlace> places(layout_.stages.size());
  for (std::size_t s = 0; s < layout_.stages.size(); ++s) {
    const int group = layout_.stages[s].group;
    if (spread_[s]) places[s] = {device_of_group[Index(group)], met[Index(group)]++};
  }
  return places;
}

/// Of a stage j places before the LLM's first: j forwards, then one more and its backward in the turns of that stage.
DeviceOrder LayoutPipeline::Ahead(const DeviceOrder& first, const Stage& stage) const {
  std::vector<ScheduledOp> turns;  // of the LLM's first stage
  std::vector<int> forwards;
  for (const ScheduledOp& op : first) {
    if (op.chunk != 0 || op.kind == OpKind::kBackwardWeight) continue;
    turns.push_back(op);
    if (op.kind == OpKind::kForward) forwards.push_back(shape_.UnitOf(op));
  }
  int before = 0;
  for (std::size_t s = 0; s < layout_.stages.size(); ++s) {
    if (ahead_[s]) before = std::max(before, layout_.stages[s].depth + 1 - stage.depth);
  }
  DeviceOrder order;
  std::size_t next = 0;
  const auto forward = [&] {
    if (next < forwards.size()) order.push_back({OpKind::kForward, forwards[next++]});
  };
  for (int i = 0; i < before; ++i) forward();
  for (const ScheduledOp& op : turns) {
    op.kind == OpKind::kForward ? forward() : order.push_back({OpKind::kBackward, shape_.UnitOf(op)});
  }
  return order;
}

void LayoutPipeline::Give(const std::vector<DeviceOrder>& by_device, int row, std::vector<DeviceOrder>& orders) const {
  DFLOP_CHECK(by_device.size() == Index(shape_.devices), "a schedule orders every device");
  // By device of the pipeline, stages a chunk and encoders: rows share their orders.
  std::map<std::tuple<int, int, int>, DeviceOrder> known;
  for (std::size_t s = 0; s < layout_.stages.size(); ++s) {
    const Stage& stage = layout_.stages[s];
    if (spread_[s] || (row != kAllRows && layout_.RowOf(stage.replica) != row)) continue;
    DeviceOrder& order = orders[Index(stage.group)];
    if (!order.empty()) continue;
    if (ahead_[s]) {
      order = Ahead(by_device.front(), stage);
      continue;
    }
    const int device = DeviceOf(stage);
    const int stages = held_[Index(stage.group)] / shape_.chunks;
    const int encoders = encoders_[Index(stage.group)];
    const auto [entry, is_new] = known.try_emplace({device, stages, encoders});
    if (is_new) {
      const DeviceOrder each = EachWay(by_device[Index(device)], layout_.directions);
      entry->second = OverStages(each, stages, encoders, shape_);
      if (shape_.encoders == 0) entry->second = WithEncoders(entry->second, encoders, layout_.units());
    }
    order = entry->second;
  }
}

}  // namespace dflop
