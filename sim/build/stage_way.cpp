// Flows are those of GroupTransfer with one byte each, whose busiest port is found once.
#include "sim/build/stage_way.hpp"

#include <algorithm>

#include "models/network/node_collectives.hpp"

namespace dflop {

StageWay::StageWay(const CostModel& cost, const DeviceGroup& source, const DeviceGroup& target, const Mesh& mesh)
    : target_node_(cost.cluster().node_at(target.first_gpu)),
      gathering_(target.size / mesh.cp),
      shares_(mesh.cp),
      gathers_(!mesh.sequence_parallel && cost.software().scatter_transfers),
      // Unscattered, each rank sends its whole copy to its peer: as many times the bytes.
      copies_(mesh.sequence_parallel || gathers_ ? 1.0 : std::max(1, std::min(source.size, target.size) / mesh.cp)),
      lanes_(std::max(source.size, target.size)) {
  Communication transfer =
      GroupTransfer(cost.cluster(), source.first_gpu, source.size, target.first_gpu, target.size, Bytes(lanes_));
  hop_ = transfer.latency;
  flows_ = std::move(transfer.flows);
  busiest_ = BusiestPort(cost.cluster(), flows_);
}

Seconds StageWay::Latency(Bytes bytes) const {
  return gathers_ ? hop_ + IntraNodeAllGather(target_node_, gathering_, bytes / shares_) : hop_;
}

Communication StageWay::Spelled(Bytes bytes) const {
  Communication transfer{flows_, Latency(bytes)};
  for (Flow& flow : transfer.flows) flow.bytes = PerFlow(bytes);
  return transfer;
}

// A message takes its latency, which a gather's protocol may add to, and a time in proportion to its bytes.
void StageWay::AddTo(ContentBytes& content) const {
  for (const double bytes : {0.0, 1e5, 1e6, 1e7, 1e8, 1e9}) content.Time(Time(Bytes(bytes)));
}

}  // namespace dflop
