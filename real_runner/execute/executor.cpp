// Seconds are told apart on the way: waiting, moving messages, and those lost because a thread woke late.
#include "real_runner/execute/executor.hpp"

#include <algorithm>
#include <map>
#include <memory>
#include <utility>

#include "base/index.hpp"
#include "real_runner/execute/relay_station.hpp"
#include "real_runner/kernels/steady_clock.hpp"
#include "real_runner/messages/collective.hpp"

namespace dflop {
namespace {

/// Takes the parcels that the hub of this rank handles, for as long as it lives. Whoever brings one at its end still
/// holds the station.
class Interception {
 public:
  Interception(Transport& transport, std::shared_ptr<RelayStation> station) : transport_(transport) {
    transport.SetIntercept([station = std::move(station)](Parcel& parcel) { return station->Take(parcel); });
  }
  ~Interception() { transport_.SetIntercept(nullptr); }
  Interception(const Interception&) = delete;
  Interception& operator=(const Interception&) = delete;

 private:
  Transport& transport_;
};

class StepExecution {
 public:
  StepExecution(const StepProgram& program, const LinkDelays& delays, StageWorker& worker, Transport& transport,
                LedgerPage& page)
      : program_(program), delays_(delays), worker_(worker), transport_(transport), page_(page) {}

  void Run() {
    if (Index(transport_.rank()) >= program_.ranks.size()) return RunNothing();
    const Interception interception(
        transport_, std::make_shared<RelayStation>(program_, transport_.rank(), delays_.messages, transport_, page_));
    const double start = transport_.Meet();
    page_.StartStep(start);
    WaitUntil(start, delays_.precise);
    const RankProgram& program = program_.ranks[Index(transport_.rank())];
    for (const Action& action : program.actions) Perform(action);
    for (const int collective : program.reductions) Reduce(collective, OpKind::kGradientReduction);
    for (const int stage : program.stages) StepOptimizer(stage);
    for (const int collective : program.gathers) Reduce(collective, OpKind::kParameterGather);
    seconds_.whole = NowSeconds() - start;
    page_.Finish(seconds_);
    transport_.Meet();  // the station serves others until all are done
  }

 private:
  /// A rank more than the plan wants.
  void RunNothing() {
    page_.StartStep(transport_.Meet());
    page_.Finish({});
    transport_.Meet();
  }

  void Perform(const Action& action) {
    for (const int message : action.receives) Receive(message, action);
    page_.Start({Activity::Doing::kRunning, action.kind, action.stage, action.microbatch});
    const Span span = worker_.Run(action);
    Note({action.kind, action.stage, -1, action.microbatch, false, true, span.start_s, span.end_s}, span.lost_s);
    if (action.kind != OpKind::kForward) last_gradient_[action.stage] = span;
    for (const int message : action.sends) Send(message, span.end_s);
  }

  void Receive(int name, const Action& action) {
    page_.Start({Activity::Doing::kWaiting, action.kind, action.stage, action.microbatch});
    const double asked = NowSeconds();
    Parcel parcel = transport_.Wait(name);
    WaitUntil(parcel.arrives_s, delays_.precise);
    const double here = NowSeconds();
    seconds_.waiting += here - asked;
    seconds_.lost += here - std::max(asked, parcel.arrives_s);  // it was there and this rank still asleep
    const Message& message = program_.messages[Index(name)];
    // Tensors that stayed where they were made are moved now, not when the word of them came.
    const bool moves_now = !parcel.payload.tensors.empty();
    worker_.Unpack(message, std::move(parcel.payload));
    const double done = NowSeconds();
    page_.Add({OpKind::kTransfer, message.operation_stage, message.operation_to_stage, message.microbatch,
               message.backward, message.travels(), moves_now ? here : parcel.start_s,
               moves_now ? done : parcel.arrives_s});
    seconds_.messages += done - here;
  }

  void Send(int name, double ready) {
    const double begin = NowSeconds();
    const Message& message = program_.messages[Index(name)];
    const double delay = delays_.messages[Index(name)];
    transport_.Send(message.to_rank, {name, ready, delay > 0 ? ready + delay : 0, worker_.Pack(message)});
    seconds_.messages += NowSeconds() - begin;
  }

  void Reduce(int index, OpKind kind) {
    const Collective& collective = program_.collectives[Index(index)];
    page_.Start({Activity::Doing::kWaiting, kind, collective.operation_stage, -1});
    const double asked = NowSeconds();
    const double ready = ReadyFor(index, kind, asked);
    const auto values = [&](int stage) { return worker_.CollectiveValues(collective.what, stage); };
    const CollectiveSpan span =
        worker_.ReducesItself()
            ? worker_.Reduce(program_, Index(index), ready, transport_)
            : AllReduce(program_, Index(index), values, delays_.collectives[Index(index)], ready, transport_);
    WaitUntil(span.end_s, delays_.precise);
    const double here = NowSeconds();
    link_free_s_ = span.end_s;
    seconds_.waiting += here - asked;
    seconds_.lost += here - std::max(asked, span.end_s);
    page_.Add(
        {kind, collective.operation_stage, collective.operation_to_stage, -1, false, true, span.start_s, span.end_s});
  }

  /// When this rank's part of a collective may go on: now, or, on a simulated link that carries gradients beside the
  /// last backward of their stages, when that link and that backward were done.
  double ReadyFor(int index, OpKind kind, double now) {
    const std::vector<LinkDelays::Bucket>& beside = delays_.beside_backward[Index(index)];
    if (beside.empty()) return now;
    const Collective& collective = program_.collectives[Index(index)];
    double free = link_free_s_;
    for (std::size_t i = 0; i < beside.size(); ++i) {
      const double begun = std::max(free, GradientsMade(collective, beside[i].share));
      free = begun + beside[i].seconds;
      page_.Add({kind, collective.operation_stage, collective.operation_to_stage, -1, false, true, begun, free,
                 static_cast<std::int32_t>(beside.size() - i)});
    }
    return std::max(free, GradientsMade(collective, 1));
  }

  /// When this rank's last backwards had made this share of their gradients.
  double GradientsMade(const Collective& collective, double share) const {
    double made = 0;
    for (const int stage : collective.stages) {
      const auto last = last_gradient_.find(stage);
      if (last == last_gradient_.end()) continue;  // another rank's
      const Span& span = last->second;
      made = std::max(made, share < 1 ? span.start_s + share * (span.end_s - span.start_s) : span.end_s);
    }
    return made;
  }

  void StepOptimizer(int stage) {
    page_.Start({Activity::Doing::kRunning, OpKind::kOptimizerStep, stage, -1});
    const Span span = worker_.StepOptimizer(stage);
    Note({OpKind::kOptimizerStep, stage, -1, -1, false, true, span.start_s, span.end_s}, span.lost_s);
  }

  void Note(const LedgerEvent& event, double lost_s) {
    seconds_.kernels += event.end_s - event.start_s;
    seconds_.lost += lost_s;
    page_.Add(event);
  }

  const StepProgram& program_;
  const LinkDelays& delays_;
  StageWorker& worker_;
  Transport& transport_;
  LedgerPage& page_;
  RankSeconds seconds_;
  std::map<int, Span> last_gradient_;  ///< [stage of this rank]
  double link_free_s_ = 0;             ///< when the last collective ended
};

}  // namespace

LinkDelays RealLinks(const StepProgram& program) {
  const std::size_t collectives = program.collectives.size();
  return {std::vector<double>(program.messages.size()), std::vector<double>(collectives),
          std::vector<std::vector<LinkDelays::Bucket>>(collectives), false};
}

void ExecuteStep(const StepProgram& program, const LinkDelays& delays, StageWorker& worker, Transport& transport,
                 LedgerPage& page) {
  StepExecution(program, delays, worker, transport, page).Run();
}

}  // namespace dflop
