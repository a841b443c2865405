// The simgrid engine: the network as flows that share links, solved by SimGrid; the only file that knows SimGrid.
//
// SimGrid solves the network and keeps the clock, nothing more: computation is a timer, a flow is a communication that
// exists from its first byte to its last, and which operation comes next is our own bookkeeping. Actors or a full
// activity graph give the same times at a tenth of the speed.
//
// Sharing is max-min fair and equal between flows. SimGrid weighs flows by the latency of their routes, so all links
// have latency zero here and a communication's latency passes on a timer before its flows start.
//
// One process holds one SimGrid simulation, whose clock never starts again; every run therefore happens in a forked
// child that leaves its times in shared memory. So a run's figures never depend on what ran before it.
//
// Limit: SimGrid 3.32 walks a list of all flows under way whenever one ends, so 8,000 flows at once cost a second and
// twice as many five.
#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <set>
#include <simgrid/kernel/Timer.hpp>
#include <simgrid/s4u.hpp>
#include <span>
#include <unordered_map>
#include <utility>

#include "base/child_process.hpp"
#include "base/error.hpp"
#include "base/index.hpp"
#include "models/network/route.hpp"
#include "sim/engine/engine.hpp"
#include "sim/graph/precedence.hpp"

namespace dflop {
namespace {

namespace s4u = simgrid::s4u;

/// Whether a flow takes any time of its own: nothing to send, or nowhere to send it, is done at once.
bool UsesNetwork(const Flow& flow) { return flow.bytes > Bytes(0) && flow.source_gpu != flow.target_gpu; }

/// SimGrid counts a flow in whole bytes. Counted in a fraction of a byte instead, a power of two such that the largest
/// flow just fits into 63 bits, no flow is rounded by anything that shows.
double UnitsPerByte(const Communications& communications) {
  Bytes largest(1);
  for (int number = 0; number < static_cast<int>(communications.size()); ++number) {
    communications.ForEachFlow(number, [&](const Flow& flow) { largest = std::max(largest, flow.bytes); });
  }
  return std::exp2(62 - std::ilogb(largest.value()));
}

/// Hosts and links for the GPUs that send or receive, so that the size of the cluster costs nothing. Between nodes of a
/// full fabric a route is the sender's NIC and the receiver's NIC; every other way bypasses them and names its links.
class Platform {
 public:
  Platform(const ClusterSpec& cluster, const Communications& communications)
      : cluster_(cluster), units_per_byte_(UnitsPerByte(communications)), zone_(s4u::create_star_zone("cluster")) {
    std::set<std::pair<int, int>> pairs;
    for (int number = 0; number < static_cast<int>(communications.size()); ++number) {
      communications.ForEachFlow(number, [&](const Flow& flow) {
        if (UsesNetwork(flow)) pairs.emplace(flow.source_gpu, flow.target_gpu);
      });
    }
    for (const auto& [source, target] : pairs) {
      AddHost(source);
      AddHost(target);
      if (!IsOverNicsAlone(source, target)) AddRoute(source, target);
    }
    zone_->seal();
  }

  s4u::CommPtr MakeFlow(const Flow& flow) const {
    const s4u::CommPtr comm = s4u::Comm::sendto_init(hosts_.at(flow.source_gpu), hosts_.at(flow.target_gpu));
    const auto units = static_cast<std::uint64_t>(std::llround(flow.bytes.value() * units_per_byte_));
    return comm->set_payload_size(std::max<std::uint64_t>(units, 1));  // SimGrid never ends a flow of nothing
  }

 private:
  bool IsOverNicsAlone(int source, int target) const {
    const BytesPerSecond none(0);
    return cluster_.fabric() == nullptr && !cluster_.same_domain(source, target) &&
           !cluster_.same_node(source, target) && cluster_.node_at(source).pcie_bandwidth <= none &&
           cluster_.node_at(target).pcie_bandwidth <= none;
  }

  const s4u::Link* LinkOf(std::int64_t id, BytesPerSecond rate) {
    const auto [entry, is_new] = links_.try_emplace(id);
    if (is_new) {
      entry->second = zone_->create_link("link-" + std::to_string(id), rate.value() * units_per_byte_)->seal();
    }
    return entry->second;
  }

  void AddHost(int gpu) {
    const auto [entry, is_new] = hosts_.try_emplace(gpu);
    if (!is_new) return;
    s4u::Host* host = zone_->create_host("gpu-" + std::to_string(gpu), 1.0);
    entry->second = host;
    const LinkNumbers number(cluster_);
    const int nic = cluster_.nic_number(gpu);
    const auto to_nic = [&](LinkNumbers::Direction direction) {
      return s4u::LinkInRoute(LinkOf(number.Nic(nic, direction), cluster_.nic_rate(gpu)));
    };
    zone_->add_route(host->get_netpoint(), nullptr, nullptr, nullptr, {to_nic(LinkNumbers::kOut)}, false);
    zone_->add_route(nullptr, host->get_netpoint(), nullptr, nullptr, {to_nic(LinkNumbers::kIn)}, false);
  }

  void AddRoute(int source, int target) {
    std::vector<s4u::LinkInRoute> route;
    ForEachLink(cluster_, source, target,
                [&](const RouteLink& link) { route.emplace_back(LinkOf(link.id, link.rate)); });
    zone_->add_bypass_route(hosts_[source]->get_netpoint(), hosts_[target]->get_netpoint(), nullptr, nullptr, route);
  }

  const ClusterSpec& cluster_;
  double units_per_byte_;
  s4u::NetZone* zone_;
  std::map<int, s4u::Host*> hosts_;
  std::map<std::int64_t, s4u::Link*> links_;
};

/// When an operation ran; a child process leaves these behind.
struct StartAndEnd {
  double start;
  double end;
};

/// Runs the graph on SimGrid's clock. Lives in a process of its own.
class Simulation {
 public:
  Simulation(const ClusterSpec& cluster, const OperationGraph& graph, const Precedence& precedence,
             const SilentKinds& silent, std::span<StartAndEnd> times)
      : graph_(graph),
        precedence_(precedence),
        silent_(silent),
        times_(times),
        waiting_for_(precedence.waiting_for()),
        runs_(graph.operations.size()),
        engine_(MakeSimGrid()),
        platform_(cluster, graph.communications) {}

  void Run() {
    s4u::Activity::on_completion_cb([this](const s4u::Activity& flow) { EndFlow(flow); });
    for (std::size_t i = 0; i < waiting_for_.size(); ++i) {
      if (IsSilent(i) && SilentKinds::frees(graph_.operations[i])) waiting_for_[i] = 0;
      for (const Lag& lag : graph_.LagsOf(i)) {
        if (AtStart(lag)) {
          ++waiting_for_[i];
        } else {
          ++runs_[i].left;
        }
      }
    }
    for (std::size_t i = 0; i < waiting_for_.size(); ++i) {
      if (waiting_for_[i] == 0) Start(static_cast<std::int32_t>(i));
    }
    engine_->run();
    DFLOP_CHECK(ended_ == waiting_for_.size(), "SimGrid stopped before the step was over");
  }

 private:
  /// Exact flows: CM02 without TCP's window limit and without acknowledgement traffic; precisions far below any time
  /// that matters (by default SimGrid takes times below 1 ns for zero); nothing on stdout or stderr.
  static s4u::Engine* MakeSimGrid() {
    std::array<std::string, 7> arguments = {"dflop",
                                            "--log=root.thresh:critical",
                                            "--cfg=network/model:CM02",
                                            "--cfg=network/TCP-gamma:1e30",
                                            "--cfg=network/crosstraffic:0",
                                            "--cfg=surf/precision:1e-12",
                                            "--cfg=maxmin/precision:1e-9"};
    std::array<char*, 8> argv{};
    std::transform(arguments.begin(), arguments.end(), argv.begin(), [](std::string& text) { return text.data(); });
    int argc = static_cast<int>(arguments.size());
    return s4u::Engine::get_instance(&argc, argv.data());
  }

  template <typename Callback>
  static void After(Seconds delay, Callback callback) {
    simgrid::kernel::timer::Timer::set(s4u::Engine::get_clock() + delay.value(), callback);
  }

  static bool AtStart(const Lag& lag) { return lag.part_of == Lag::PartOf::kNeeded; }

  void Start(std::int32_t index) {
    times_[Index(index)].start = s4u::Engine::get_clock();
    runs_[Index(index)].started = true;
    StartPart(index);
    for (const Precedence::LaggedSuccessor& successor : precedence_.lagged_successors(index)) {
      if (!AtStart(successor.lag)) continue;
      After(graph_.durations[Index(index)] * successor.lag.share,
            [this, waiting = successor.operation] { Release(waiting); });
    }
  }

  void Release(std::int32_t index) {
    if (--waiting_for_[Index(index)] == 0) Start(index);
  }

  bool IsSilent(std::size_t index) const { return silent_.covers(graph_.operations[index]); }

  /// A whole operation is one part: a time or a communication.
  OperationPart PartOf(std::int32_t index) const {
    const std::span<const OperationPart> parts = graph_.PartsOf(Index(index));
    if (!parts.empty()) return parts[Index(runs_[Index(index)].part)];
    if (IsSilent(Index(index))) return {};
    const int communication = graph_.operations[Index(index)].communication;
    return {communication < 0 ? graph_.durations[Index(index)] : Seconds(0), communication};
  }

  void StartPart(std::int32_t index) {
    const OperationPart part = PartOf(index);
    const bool computes = part.communication < 0 || part.computation > Seconds(0);
    runs_[Index(index)].left += (computes ? 1 : 0) + (part.communication < 0 ? 0 : 1);
    if (computes) After(part.computation, [this, index] { EndPiece(index); });
    if (part.communication < 0) return;
    After(graph_.communications.latency(part.communication),
          [this, index, number = part.communication] { StartFlows(index, number); });
  }

  void StartFlows(std::int32_t index, int communication) {
    graph_.communications.ForEachFlow(communication, [&](const Flow& flow) {
      if (!UsesNetwork(flow)) return;
      ++runs_[Index(index)].left;
      const s4u::CommPtr comm = platform_.MakeFlow(flow);
      running_[comm.get()] = {comm, index};
      comm->vetoable_start();
    });
    EndPiece(index);  // the latency
  }

  void EndPiece(std::int32_t index) {
    Progress& run = runs_[Index(index)];
    if (--run.left > 0 || !run.started) return;
    ++run.part;
    if (run.part < static_cast<int>(graph_.PartsOf(Index(index)).size())) return StartPart(index);
    End(index);
  }

  void EndFlow(const s4u::Activity& activity) {
    const auto found = running_.find(&activity);
    const std::int32_t index = found->second.operation;
    last_ended_ = std::move(found->second.comm);  // SimGrid still touches it after this callback
    running_.erase(found);
    EndPiece(index);
  }

  void End(std::int32_t index) {
    times_[Index(index)].end = s4u::Engine::get_clock();
    ++ended_;
    for (const std::int32_t successor : precedence_.successors(index)) Release(successor);
    for (const Precedence::LaggedSuccessor& successor : precedence_.lagged_successors(index)) {
      if (AtStart(successor.lag)) continue;
      After(graph_.durations[Index(successor.operation)] * (1 - successor.lag.share),
            [this, waiting = successor.operation] { EndPiece(waiting); });
    }
  }

  /// How far an operation is.
  struct Progress {
    int part = 0;
    std::ptrdiff_t left = 0;  ///< flows, timers and lags of that part that have not ended
    bool started = false;
  };

  struct RunningFlow {
    s4u::CommPtr comm;
    std::int32_t operation;
  };

  const OperationGraph& graph_;
  const Precedence& precedence_;
  const SilentKinds& silent_;
  std::span<StartAndEnd> times_;
  std::vector<std::int32_t> waiting_for_;
  std::vector<Progress> runs_;
  std::size_t ended_ = 0;
  std::unordered_map<const s4u::Activity*, RunningFlow> running_;
  s4u::CommPtr last_ended_;
  s4u::Engine* engine_;
  Platform platform_;
};

class SimGridEngine final : public Engine {
 public:
  explicit SimGridEngine(ClusterSpec cluster) : cluster_(std::move(cluster)) {}

  OperationTimes Run(const OperationGraph& graph, const SweepOrder& /*order*/, const SilentKinds& silent,
                     OperationTimes /*reused*/) override {
    const Precedence precedence(graph);
    const std::size_t count = graph.operations.size();
    const SharedArray<StartAndEnd> shared(count);
    RunInChild("the simgrid engine", [&] { Simulation(cluster_, graph, precedence, silent, shared.items()).Run(); });
    OperationTimes times{std::vector<Seconds>(count), std::vector<Seconds>(count), Seconds(0)};
    for (std::size_t i = 0; i < count; ++i) {
      times.start[i] = Seconds(shared.items()[i].start);
      times.end[i] = Seconds(shared.items()[i].end);
      times.makespan = std::max(times.makespan, times.end[i]);
    }
    return times;
  }
  std::string name() const override { return "simgrid"; }
  bool contends() const override { return true; }

 private:
  ClusterSpec cluster_;
};

}  // namespace

bool HasSimGridEngine() { return true; }

std::unique_ptr<Engine> MakeSimGridEngine(const ClusterSpec& cluster) {
  return std::make_unique<SimGridEngine>(cluster);
}

}  // namespace dflop
