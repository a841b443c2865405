// A stand-in for the CUDA plug-in that has no device: it says what the environment tells it to, as the real one does
// when a driver is too old or a GPU is full. DFLOP_FAKE_CUDA: the reason.
#include <cstdio>
#include <cstdlib>

#include "real_runner/execute/stage_worker_factory.hpp"

static void Refuse(char* why, int size) {
  const char* reason = std::getenv("DFLOP_FAKE_CUDA");
  std::snprintf(why, static_cast<std::size_t>(size), "%s", reason == nullptr ? "" : reason);
}

extern "C" dflop::Backend* dflop_make_cuda_backend(const dflop::BackendOptions&, char* why, int size) {
  Refuse(why, size);
  return nullptr;
}

extern "C" dflop::StageWorkerFactory* dflop_make_cuda_stage_workers(int, char* why, int size) {
  Refuse(why, size);
  return nullptr;
}
