// In which order the devices of a pipeline with several chunks prefer the segments of their microbatches.
//
// DIP (PipeWeaver, arXiv 2504.14145): a segment is one modality's way of a microbatch over all devices, here a chunk of
// every device; Monte-Carlo tree search over the order of segments, devices that take from a queue of forwards and one
// of backwards as that order says, under a memory limit. The paper's: those parts. Guesses, as no code is public: the
// tree chooses one segment after the other, among the next in order, the longest and the shortest of each modality (the
// upper confidence bound of Kocsis and Szepesvári, 2006, on makespans between the best and the worst seen); what a path
// leaves open stays as in the best order known, with one segment moved or two swapped; every other schedule is such a
// move in the best order alone. Queues: the schedules of policies/pipeline_search/list_orders.hpp, backwards or
// forwards first, whichever turns out shorter.
#pragma once

#include "policies/pipeline_search/list_orders.hpp"

namespace dflop {

/// The best rule found with `evaluations` schedules, beside a fixed set of drafts that comes first; the draft alone
/// where no times are known. Deterministic. `limit` as in ListOrders.
ListRule BestSegmentRule(const ScheduleProblem& problem, double limit, int evaluations);

}  // namespace dflop
