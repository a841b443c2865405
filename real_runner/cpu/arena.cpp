// Only grows; a block begins at a cache line, and a limit of memory is told as what is not supported.
#include "real_runner/cpu/arena.hpp"

#include <cstdint>
#include <new>

#include "real_runner/cpu/machine.hpp"
#include "real_runner/kernels/backend.hpp"

namespace dflop {

float* Arena::Reserve(std::size_t values) {
  const std::size_t wanted = values + kLineValues;
  if (block_.size() < wanted) {
    block_.clear();
    block_.shrink_to_fit();
    try {
      block_.resize(wanted);
    } catch (const std::bad_alloc&) {  // a limit that no file of the system tells of
      throw Unsupported("needs " + cpu::Gigabytes(static_cast<double>(wanted) * sizeof(float)) +
                        " of memory, the system gives less");
    }
  }
  const std::size_t beyond = reinterpret_cast<std::uintptr_t>(block_.data()) / sizeof(float) % kLineValues;
  return block_.data() + (kLineValues - beyond) % kLineValues;
}

}  // namespace dflop
