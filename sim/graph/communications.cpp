// A shared way has flows of one byte, which every message over it multiplies.
#include "sim/graph/communications.hpp"

namespace dflop {

Way Communications::AddWay(const std::vector<Flow>& flows) {
  const Way way{static_cast<std::int64_t>(flows_.size()), static_cast<std::int64_t>(flows.size())};
  for (const Flow& flow : flows) flows_.push_back({flow.source_gpu, flow.target_gpu, Bytes(1)});
  return way;
}

int Communications::Add(Way way, Bytes bytes_per_flow, Seconds latency) {
  sent_.push_back({way, bytes_per_flow.value(), latency});
  return static_cast<int>(sent_.size()) - 1;
}

int Communications::Add(const Communication& communication) {
  const Way way{static_cast<std::int64_t>(flows_.size()), static_cast<std::int64_t>(communication.flows.size())};
  flows_.insert(flows_.end(), communication.flows.begin(), communication.flows.end());
  sent_.push_back({way, 1, communication.latency});
  return static_cast<int>(sent_.size()) - 1;
}

void Communications::Change(int number, Bytes bytes_per_flow, Seconds latency) {
  Sent& sent = sent_[static_cast<std::size_t>(number)];
  sent.scale = bytes_per_flow.value();
  sent.latency = latency;
}

Bytes Communications::BytesOf(int number) const {
  Bytes bytes{0};
  ForEachFlow(number, [&](const Flow& flow) { bytes += flow.bytes; });
  return bytes;
}

Communication Communications::operator[](int number) const {
  Communication communication{{}, latency(number)};
  ForEachFlow(number, [&](const Flow& flow) { communication.flows.push_back(flow); });
  return communication;
}

}  // namespace dflop
