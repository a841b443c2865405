// The communications of a graph, flat: messages that go the same way share one list of flows and differ in bytes only.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "sim/graph/communication.hpp"

namespace dflop {

/// Which flows a message consists of, wherever it carries something: a range in the list of all flows.
struct Way {
  std::int64_t first = 0;
  std::int64_t count = 0;
};

class Communications {
 public:
  void Reserve(std::size_t messages) { sent_.reserve(messages); }
  /// A way for messages, which multiply the bytes of its flows.
  Way AddWay(const std::vector<Flow>& flows);
  /// A message that carries `factor` times the bytes of its way; returns its number.
  int Add(Way way, double factor, Seconds latency);
  /// A communication with a way of its own.
  int Add(const Communication& communication);
  /// Another one like this; returns its number.
  int Repeat(int number);
  /// The message carries something else.
  void Change(int number, double factor, Seconds latency);

  std::size_t size() const { return sent_.size(); }
  Seconds latency(int number) const { return At(number).latency; }
  /// What a message goes by, and what it multiplies the bytes of the way's flows by.
  Way way(int number) const { return At(number).way; }
  double factor(int number) const { return At(number).factor; }
  std::span<const Flow> FlowsOf(Way way) const {
    return std::span(flows_).subspan(static_cast<std::size_t>(way.first), static_cast<std::size_t>(way.count));
  }
  /// Over all flows.
  Bytes BytesOf(int number) const;
  /// Calls visit(flow) for the flows, one after the other.
  template <typename Visit>
  void ForEachFlow(int number, Visit visit) const {
    const Sent& sent = At(number);
    for (const Flow& flow : FlowsOf(sent.way)) visit(Flow{flow.source_gpu, flow.target_gpu, flow.bytes * sent.factor});
  }
  /// Spelled out.
  Communication operator[](int number) const;

 private:
  struct Sent {
    Way way;
    double factor = 1;
    Seconds latency{0};
  };

  const Sent& At(int number) const { return sent_[static_cast<std::size_t>(number)]; }

  std::vector<Flow> flows_;
  std::vector<Sent> sent_;
};

}  // namespace dflop
