// Seconds of this machine's steady clock, which all of its processes share, and waiting for an instant of it.
#pragma once

namespace dflop {

double NowSeconds();

/// CPU seconds that this thread has had.
double ThreadCpuSeconds();

/// Returns at `instant` or later: at once if it has passed. With `precise` the last stretch is spent spinning, which
/// wants a processor core of its own; otherwise the thread only sleeps.
void WaitUntil(double instant, bool precise);

}  // namespace dflop
