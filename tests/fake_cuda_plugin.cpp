// A stand-in for the CUDA plug-in that has no device: it says what the environment tells it to, as the real one does
// when a driver is too old or a GPU is full. DFLOP_FAKE_CUDA: the reason.
#include <cstdio>
#include <cstdlib>

#include "real_runner/backend.hpp"

extern "C" dflop::Backend* dflop_make_cuda_backend(char* why, int size) {
  const char* reason = std::getenv("DFLOP_FAKE_CUDA");
  std::snprintf(why, static_cast<std::size_t>(size), "%s", reason == nullptr ? "" : reason);
  return nullptr;
}
