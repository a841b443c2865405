// The clock of everything that the CPU backend times: wall time on the steady clock, held against the thread's own.
#pragma once

#include <algorithm>

#include "real_runner/execute/stage_worker.hpp"
#include "real_runner/kernels/steady_clock.hpp"

namespace dflop::cpu {

template <typename Body>
Span TimeRun(const Body& body) {
  Span span;
  const double processor_start = ThreadCpuSeconds();
  span.start_s = NowSeconds();
  body();
  span.end_s = NowSeconds();
  const double processor = ThreadCpuSeconds() - processor_start;
  span.lost_s = std::max(0.0, span.end_s - span.start_s - processor);
  return span;
}

}  // namespace dflop::cpu
