// simgrid_beside_bare: what the simgrid engine costs beside a bare SimGrid program that sends the same flows at the
// same times: 16 stages × 64 replicas × 64 microbatches, every replica told apart.
//
// The engine finds out when every message starts, by running the whole graph. The bare program is told: it has a
// platform, a timer for every message and its flows, and knows neither operations nor who waits for whom. Both are
// processes of their own, by CPU time, in turn; the best of five each. They must end at the same time.
#include <sys/resource.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <set>
#include <simgrid/kernel/Timer.hpp>
#include <simgrid/s4u.hpp>
#include <unordered_map>

#include "base/child_process.hpp"
#include "base/index.hpp"
#include "models/network/route.hpp"
#include "tests/benchmarks/large_step.hpp"

namespace dflop {
namespace {

namespace s4u = simgrid::s4u;

struct Message {
  double start = 0;  ///< of its first byte
  std::vector<Flow> flows;
};

std::vector<Message> MessagesOf(const OperationGraph& graph, const OperationTimes& times) {
  std::vector<Message> messages;
  for (std::size_t i = 0; i < graph.operations.size(); ++i) {
    const int number = graph.operations[i].communication;
    if (number < 0) continue;
    Message& message =
        messages.emplace_back(Message{(times.start[i] + graph.communications.latency(number)).value(), {}});
    graph.communications.ForEachFlow(number, [&](const Flow& flow) {
      if (flow.bytes > Bytes(0) && flow.source_gpu != flow.target_gpu) message.flows.push_back(flow);
    });
  }
  return messages;
}

/// A host for every GPU, a link for each that a flow takes.
class BareProgram {
 public:
  BareProgram(const ClusterSpec& cluster, const std::vector<Message>& messages) : cluster_(cluster) {
    for (const Message& message : messages) {
      for (const Flow& flow : message.flows) AddRoute(flow.source_gpu, flow.target_gpu);
    }
    zone_->seal();
    for (const Message& message : messages) {
      simgrid::kernel::timer::Timer::set(message.start, [this, &message] {
        for (const Flow& flow : message.flows) Send(flow);
      });
    }
  }

  /// When the last flow has ended.
  double Run() {
    double last = 0;
    s4u::Activity::on_completion_cb([&](const s4u::Activity& flow) {
      last = s4u::Engine::get_clock();
      const auto found = running_.find(&flow);
      last_ended_ = std::move(found->second);  // SimGrid still touches it after this callback
      running_.erase(found);
    });
    engine_->run();
    return last;
  }

 private:
  static s4u::Engine* MakeEngine() {
    std::vector<std::string> arguments = {"bare", "--log=root.thresh:critical", "--cfg=network/model:CM02",
                                          "--cfg=network/TCP-gamma:1e30", "--cfg=network/crosstraffic:0"};
    std::vector<char*> argv;
    argv.reserve(arguments.size() + 1);
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    int argc = static_cast<int>(arguments.size());
    return s4u::Engine::get_instance(&argc, argv.data());
  }

  s4u::Host* HostOf(int gpu) {
    s4u::Host*& host = hosts_[gpu];
    if (host == nullptr) host = zone_->create_host("gpu-" + std::to_string(gpu), 1.0);
    return host;
  }

  void AddRoute(int source, int target) {
    if (!routes_.emplace(source, target).second) return;
    std::vector<s4u::LinkInRoute> route;
    ForEachLink(cluster_, source, target, [&](const RouteLink& link) {
      s4u::Link*& known = links_[link.id];
      if (known == nullptr) known = zone_->create_link("link-" + std::to_string(link.id), link.rate.value())->seal();
      route.emplace_back(known);
    });
    zone_->add_route(HostOf(source)->get_netpoint(), HostOf(target)->get_netpoint(), nullptr, nullptr, route, false);
  }

  void Send(const Flow& flow) {
    const auto bytes = static_cast<std::uint64_t>(std::llround(flow.bytes.value()));
    const s4u::CommPtr comm = s4u::Comm::sendto_init(hosts_.at(flow.source_gpu), hosts_.at(flow.target_gpu));
    comm->set_payload_size(std::max<std::uint64_t>(bytes, 1));
    running_[comm.get()] = comm;
    comm->vetoable_start();
  }

  const ClusterSpec& cluster_;
  s4u::Engine* engine_ = MakeEngine();
  s4u::NetZone* zone_ = s4u::create_full_zone("cluster");
  std::map<int, s4u::Host*> hosts_;
  std::map<std::int64_t, s4u::Link*> links_;
  std::set<std::pair<int, int>> routes_;
  std::unordered_map<const s4u::Activity*, s4u::CommPtr> running_;
  s4u::CommPtr last_ended_;
};

double RunBare(const ClusterSpec& cluster, const std::vector<Message>& messages) {
  const SharedArray<double> last(1);
  RunInChild("the bare program", [&] { last.items()[0] = BareProgram(cluster, messages).Run(); });
  return last.items()[0];
}

/// Of this process and the children that it has waited for.
double CpuSeconds() {
  double seconds = 0;
  for (const int who : {RUSAGE_SELF, RUSAGE_CHILDREN}) {
    rusage use{};
    getrusage(who, &use);
    for (const timeval& part : {use.ru_utime, use.ru_stime}) {
      seconds += static_cast<double>(part.tv_sec) + 1e-6 * static_cast<double>(part.tv_usec);
    }
  }
  return seconds;
}

template <typename Work>
double CpuSecondsOf(Work work) {
  const double before = CpuSeconds();
  work();
  return CpuSeconds() - before;
}

int Main() {
  const LargeStep large;
  const OperationGraph& graph = large.step.graph;
  const ClusterSpec& cluster = large.cost.cluster();
  const std::unique_ptr<Engine> engine = MakeSimGridEngine(cluster);
  const OperationTimes times = engine->Run(graph, *large.step.order, {});
  const std::vector<Message> messages = MessagesOf(graph, times);
  double last_flow = 0;
  std::size_t flows = 0;
  for (std::size_t i = 0; i < graph.operations.size(); ++i) {
    if (graph.operations[i].communication >= 0) last_flow = std::max(last_flow, times.end[i].value());
  }
  for (const Message& message : messages) flows += message.flows.size();
  double of_engine = 1e30;
  double of_bare = 1e30;
  double bare_end = 0;
  for (int round = 0; round < 5; ++round) {
    of_engine = std::min(of_engine, CpuSecondsOf([&] { engine->Run(graph, *large.step.order, {}); }));
    of_bare = std::min(of_bare, CpuSecondsOf([&] { bare_end = RunBare(cluster, messages); }));
  }
  std::printf("%zu operations, %zu messages, %zu flows\n", graph.operations.size(), messages.size(), flows);
  std::printf("last flow ends: engine %.9f s, bare %.9f s\n", last_flow, bare_end);
  std::printf("CPU: engine %.3f s, bare %.3f s, ratio %.2f\n", of_engine, of_bare, of_engine / of_bare);
  return std::abs(bare_end - last_flow) < 1e-6 * last_flow ? 0 : 1;
}

}  // namespace
}  // namespace dflop

int main() { return dflop::Main(); }
