// Backwards are forwards in a time that runs the other way: what may begin late may end early.
#include "policies/pipeline_search/encoder_bubbles.hpp"

#include <algorithm>
#include <cstddef>

#include "base/index.hpp"

namespace dflop {
namespace {

constexpr int kBisections = 48;
constexpr double kRounding = 1e-12;
constexpr double kMostRounded = 1000;  ///< sums that are rounded one after the other, where the first way round fitted

/// Idle time of a device between two of the LLM's operations.
struct Gap {
  int place = 0;  ///< of the operation behind it
  double begin = 0;
  double end = 0;
};

/// Work that has to fit into every device's gaps, in turn, each before its deadline.
struct BubbleProblem {
  std::vector<std::vector<Gap>> gaps;          ///< [device], in the order of time; the first one may begin earlier
  std::vector<std::vector<double>> durations;  ///< [device][turn]
  std::vector<double> deadlines;               ///< [turn]
  double slack = 0;                            ///< what sums of times are rounded by
};

/// [device][turn]: the gap, when the first ones begin `delay` earlier; nothing where a deadline is missed. Everything
/// stands as early as it can, so a longer delay makes nothing later.
std::vector<std::vector<int>> Filled(const BubbleProblem& problem, double delay) {
  std::vector<std::vector<int>> places;
  for (std::size_t device = 0; device < problem.gaps.size(); ++device) {
    const std::vector<Gap>& gaps = problem.gaps[device];
    std::vector<int>& of_device = places.emplace_back();
    std::size_t gap = 0;
    double now = gaps.front().begin - delay;
    for (std::size_t turn = 0; turn < problem.deadlines.size(); ++turn) {
      const double lasts = problem.durations[device][turn];
      while (gap < gaps.size() && now + lasts > gaps[gap].end + problem.slack) {
        if (++gap < gaps.size()) now = gaps[gap].begin;
      }
      if (gap == gaps.size()) return {};
      now += lasts;
      if (now > problem.deadlines[turn] + problem.slack) return {};
      of_device.push_back(gaps[gap].place);
    }
  }
  return places;
}

/// The same with everything as late as deadlines and what comes behind allow, where it fits at all.
std::vector<std::vector<int>> FilledLate(const BubbleProblem& problem, double delay) {
  std::vector<std::vector<int>> places;
  for (std::size_t device = 0; device < problem.gaps.size(); ++device) {
    const std::vector<Gap>& gaps = problem.gaps[device];
    std::vector<int>& of_device = places.emplace_back(problem.deadlines.size());
    std::size_t gap = gaps.size() - 1;
    double now = gaps.back().end;
    for (std::size_t turn = problem.deadlines.size(); turn-- > 0;) {
      const double lasts = problem.durations[device][turn];
      const auto begin = [&] { return std::min({now, gaps[gap].end, problem.deadlines[turn]}) - lasts; };
      while (gap > 0 && begin() < gaps[gap].begin - problem.slack) --gap;
      if (gap == 0 && begin() < gaps[0].begin - delay - problem.slack * kMostRounded) return {};
      now = begin();
      of_device[turn] = gaps[gap].place;
    }
  }
  return places;
}

/// With the least delay.
std::vector<std::vector<int>> Fill(const BubbleProblem& problem, bool late) {
  double most = 0;  // everything in the first gap
  for (std::size_t device = 0; device < problem.gaps.size(); ++device) {
    const Gap& first = problem.gaps[device].front();
    double sum = first.begin;
    for (std::size_t turn = 0; turn < problem.deadlines.size(); ++turn) {
      sum += problem.durations[device][turn];
      most = std::max(most, sum - std::min(first.end, problem.deadlines[turn]));
    }
  }
  double least = 0;
  if (!Filled(problem, 0).empty()) most = 0;
  for (int i = 0; i < kBisections && most > 0; ++i) {
    const double delay = (least + most) / 2;
    (Filled(problem, delay).empty() ? least : most) = delay;
  }
  std::vector<std::vector<int>> best = late ? FilledLate(problem, most) : Filled(problem, most);
  if (!best.empty()) return best;
  for (const std::vector<Gap>& gaps : problem.gaps) {  // rounding
    best.emplace_back(problem.deadlines.size(), gaps.front().place);
  }
  return best;
}

bool IsForwardShare(const ScheduledOp& op, const ScheduleProblem& problem) {
  return problem.IsEncoder(op) && op.kind == OpKind::kForward;
}
bool IsBackwardShare(const ScheduledOp& op, const ScheduleProblem& problem) {
  return problem.IsEncoder(op) && op.kind != OpKind::kForward;
}

/// Of all encoders on a device.
double ForwardOf(const ScheduleProblem& problem, int device, int k) {
  double sum = 0;
  for (int e = 0; e < problem.encoders; ++e) sum += problem.EncoderAt(device, e, k).forward.value();
  return sum;
}
double BackwardOf(const ScheduleProblem& problem, int device, int k) {
  double sum = 0;
  for (int e = 0; e < problem.encoders; ++e) sum += problem.EncoderAt(device, e, k).backward().value();
  return sum;
}

/// The gaps of a device before each of the LLM's operations. A pair is one of them.
std::vector<Gap> GapsBefore(const std::vector<TimedOp>& ops, const ScheduleProblem& problem) {
  std::vector<Gap> gaps;
  double free = 0;
  int place = 0;
  bool in_pair = false;
  for (const TimedOp& one : ops) {
    if (IsForwardShare(one.op, problem)) continue;
    if (!in_pair) gaps.push_back({place, free, one.start.value()});
    if (!problem.IsEncoder(one.op)) ++place;
    in_pair = one.op.pair > 0;
    free = one.end.value();
  }
  return gaps;
}
/// The gaps behind each, from the last, in a time that runs back from the end of the whole.
std::vector<Gap> GapsBehind(const std::vector<TimedOp>& ops, const ScheduleProblem& problem, double end) {
  std::vector<Gap> gaps;
  double free = 0;
  int place = 0;
  for (const TimedOp& one : ops) place += problem.IsEncoder(one.op) ? 0 : 1;
  for (std::size_t i = ops.size(); i-- > 0;) {
    if (IsBackwardShare(ops[i].op, problem)) continue;
    if (ops[i].op.pair == 0) gaps.push_back({place, free, end - ops[i].end.value()});
    if (!problem.IsEncoder(ops[i].op)) --place;
    free = end - ops[i].start.value();
  }
  return gaps;
}

EncoderPlaces ByMicrobatch(const std::vector<std::vector<int>>& by_turn, const std::vector<int>& turns) {
  EncoderPlaces places;
  for (const std::vector<int>& of_device : by_turn) {
    std::vector<int>& row = places.emplace_back(turns.size());
    for (std::size_t turn = 0; turn < turns.size(); ++turn) row[Index(turns[turn])] = of_device[turn];
  }
  return places;
}

/// Where the n-th forward of a device stands in its order, or its n-th backward.
std::vector<int> PlacesOf(const DeviceOrder& order, bool forward) {
  std::vector<int> places;
  for (std::size_t place = 0; place < order.size(); ++place) {
    const OpKind kind = order[place].kind;
    if (forward ? kind == OpKind::kForward : GivesInputGradient(kind)) places.push_back(static_cast<int>(place));
  }
  return places;
}

}  // namespace

EncoderTurns TurnsOf(const DeviceOrder& first_device) {
  EncoderTurns turns;
  for (const ScheduledOp& op : first_device) {
    if (op.kind == OpKind::kForward) turns.forward.push_back(op.microbatch);
    if (GivesInputGradient(op.kind)) turns.backward.push_back(op.microbatch);
  }
  return turns;
}

EncoderPlaces EncodedBefore(const std::vector<DeviceOrder>& llm, int microbatches) {
  return {llm.size(), std::vector<int>(Index(microbatches), 0)};
}
EncoderPlaces EncodedBehind(const std::vector<DeviceOrder>& llm, int microbatches) {
  EncoderPlaces places;
  for (const DeviceOrder& order : llm) places.emplace_back(Index(microbatches), static_cast<int>(order.size()));
  return places;
}

EncoderPlaces ForwardsInStep(const std::vector<DeviceOrder>& llm, const EncoderTurns& turns, int lead) {
  std::vector<std::vector<int>> by_turn;
  for (const DeviceOrder& order : llm) {
    const std::vector<int> own = PlacesOf(order, true);
    std::vector<int>& places = by_turn.emplace_back();
    for (int turn = 0; turn < static_cast<int>(own.size()); ++turn) {
      places.push_back(turn < lead ? 0 : own[Index(turn - lead)]);
    }
  }
  return ByMicrobatch(by_turn, turns.forward);
}
EncoderPlaces BackwardsInStep(const std::vector<DeviceOrder>& llm, const EncoderTurns& turns, int lead) {
  std::vector<std::vector<int>> by_turn;
  for (const DeviceOrder& order : llm) {
    const std::vector<int> own = PlacesOf(order, false);
    std::vector<int>& places = by_turn.emplace_back();
    const int count = static_cast<int>(own.size());
    for (int turn = 0; turn < count; ++turn) {
      places.push_back(turn + lead < count ? own[Index(turn + lead)] + 1 : static_cast<int>(order.size()));
    }
  }
  return ByMicrobatch(by_turn, turns.backward);
}

EncoderPlaces ForwardsInBubbles(const TimedOrders& run, const ScheduleProblem& problem, const EncoderTurns& turns,
                                bool near) {
  BubbleProblem bubbles;
  bubbles.slack = kRounding * run.makespan.value();
  bubbles.deadlines.resize(turns.forward.size());
  std::vector<double> begin(turns.forward.size());
  for (const TimedOp& one : run.devices.front()) {
    const bool begins = one.op.kind == OpKind::kForward && !problem.IsEncoder(one.op);
    if (begins) begin[Index(one.op.microbatch)] = one.start.value();
  }
  for (std::size_t turn = 0; turn < turns.forward.size(); ++turn) {
    const int k = turns.forward[turn];
    bubbles.deadlines[turn] = begin[Index(k)] - problem.EncoderTransfer(k).value();
  }
  for (int device = 0; device < problem.devices; ++device) {
    bubbles.gaps.push_back(GapsBefore(run.devices[Index(device)], problem));
    std::vector<double>& durations = bubbles.durations.emplace_back();
    for (const int k : turns.forward) durations.push_back(ForwardOf(problem, device, k));
  }
  return ByMicrobatch(Fill(bubbles, near), turns.forward);
}

EncoderPlaces BackwardsInBubbles(const TimedOrders& run, const ScheduleProblem& problem, const EncoderTurns& turns,
                                 bool near) {
  const std::vector<int> reversed(turns.backward.rbegin(), turns.backward.rend());
  BubbleProblem bubbles;
  bubbles.slack = kRounding * run.makespan.value();
  bubbles.deadlines.resize(reversed.size());
  double end = 0;
  std::vector<double> given(reversed.size());
  for (const std::vector<TimedOp>& device : run.devices) {
    for (const TimedOp& one : device) {
      if (!problem.IsEncoder(one.op)) end = std::max(end, one.end.value());
    }
  }
  for (const TimedOp& one : run.devices.front()) {
    const bool gives = GivesInputGradient(one.op.kind) && !problem.IsEncoder(one.op);
    if (gives) given[Index(one.op.microbatch)] = end - one.end.value();
  }
  for (std::size_t turn = 0; turn < reversed.size(); ++turn) {
    bubbles.deadlines[turn] = given[Index(reversed[turn])] - problem.EncoderTransfer(reversed[turn]).value();
  }
  for (int device = 0; device < problem.devices; ++device) {
    bubbles.gaps.push_back(GapsBehind(run.devices[Index(device)], problem, end));
    std::vector<double>& durations = bubbles.durations.emplace_back();
    for (const int k : reversed) durations.push_back(BackwardOf(problem, device, k));
  }
  return ByMicrobatch(Fill(bubbles, near), reversed);
}

std::vector<DeviceOrder> WithEncoders(const std::vector<DeviceOrder>& llm, const ScheduleProblem& problem,
                                      const EncoderTurns& turns, const EncoderPlaces& forwards,
                                      const EncoderPlaces& backwards) {
  std::vector<DeviceOrder> whole;
  for (std::size_t device = 0; device < llm.size(); ++device) {
    std::vector<ScheduledOp> order;
    std::size_t forward = 0, backward = 0;
    const auto add_until = [&](int place) {
      const auto add = [&](OpKind kind, const std::vector<int>& turn, const EncoderPlaces& places, std::size_t& next) {
        for (; next < turn.size() && places[device][Index(turn[next])] <= place; ++next) {
          for (int e = 0; e < problem.encoders; ++e) order.push_back({kind, turn[next], problem.chunks + e});
        }
      };
      add(OpKind::kForward, turns.forward, forwards, forward);
      add(OpKind::kBackward, turns.backward, backwards, backward);
    };
    for (std::size_t place = 0; place < llm[device].size(); ++place) {
      add_until(static_cast<int>(place));
      order.push_back(llm[device][place]);
    }
    add_until(static_cast<int>(llm[device].size()));
    whole.emplace_back(std::move(order));
  }
  return whole;
}

}  // namespace dflop
