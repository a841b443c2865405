// The clock of everything that the CPU backend times: wall time on the steady clock, held against the thread's own.
#pragma once

#include <time.h>

#include <chrono>

#include "real_runner/stage_worker.hpp"

namespace dflop::cpu {

// A thread that had its core for less of the time than this was preempted.
inline constexpr double kUndisturbedShare = 0.97;

inline double ThreadSeconds() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

inline double SteadySeconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

template <typename Run>
Span TimeRun(const Run& run) {
  Span span;
  const double processor_start = ThreadSeconds();
  span.start_s = SteadySeconds();
  run();
  span.end_s = SteadySeconds();
  const double processor = ThreadSeconds() - processor_start;
  span.disturbed = processor < kUndisturbedShare * (span.end_s - span.start_s);
  return span;
}

}  // namespace dflop::cpu
