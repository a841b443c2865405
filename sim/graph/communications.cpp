// Flows lie one way after the other; a message knows its way and what it multiplies it by.
#include "sim/graph/communications.hpp"

namespace dflop {

Way Communications::AddWay(const std::vector<Flow>& flows) {
  const Way way{static_cast<std::int64_t>(flows_.size()), static_cast<std::int64_t>(flows.size())};
  flows_.insert(flows_.end(), flows.begin(), flows.end());
  return way;
}

int Communications::Add(Way way, double factor, Seconds latency) {
  sent_.push_back({way, factor, latency});
  return static_cast<int>(sent_.size()) - 1;
}

int Communications::Add(const Communication& communication) {
  return Add(AddWay(communication.flows), 1, communication.latency);
}

int Communications::Repeat(int number) { return Add(At(number).way, At(number).factor, At(number).latency); }

void Communications::Change(int number, double factor, Seconds latency) {
  Sent& sent = sent_[static_cast<std::size_t>(number)];
  sent.factor = factor;
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
