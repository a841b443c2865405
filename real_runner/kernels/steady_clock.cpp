// CLOCK_MONOTONIC by its name, for it counts the same in every process; waiting sleeps first and then may spin.
#include "real_runner/kernels/steady_clock.hpp"

#include <sys/prctl.h>
#include <time.h>

#include <cerrno>
#include <cmath>

namespace dflop {
namespace {

constexpr double kSpinSeconds = 60e-6;  // a sleeping thread wakes that much late on an idle Linux machine

double Read(clockid_t clock) {
  timespec time{};
  clock_gettime(clock, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

/// Without this Linux may gather wake-ups over 50 µs.
void TightenTimerSlack() {
  static thread_local const bool tightened = prctl(PR_SET_TIMERSLACK, 1000UL) == 0;
  static_cast<void>(tightened);
}

}  // namespace

double NowSeconds() { return Read(CLOCK_MONOTONIC); }

double ThreadCpuSeconds() { return Read(CLOCK_THREAD_CPUTIME_ID); }

void WaitUntil(double instant, bool precise) {
  const double wake = precise ? instant - kSpinSeconds : instant;
  if (wake > NowSeconds()) {
    TightenTimerSlack();
    timespec until{};
    until.tv_sec = static_cast<time_t>(std::floor(wake));
    until.tv_nsec = static_cast<long>((wake - std::floor(wake)) * 1e9);
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr) == EINTR) {
    }
  }
  while (NowSeconds() < instant) {
  }
}

}  // namespace dflop
