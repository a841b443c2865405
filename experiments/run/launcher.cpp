// A launcher is known by its pair of variables; a rank that is no number below the size is none.
#include "experiments/run/launcher.hpp"

#include <array>
#include <charconv>
#include <cstdlib>
#include <optional>
#include <string_view>

namespace dflop {
namespace {

std::optional<int> Number(const char* variable) {
  const char* text = std::getenv(variable);
  if (text == nullptr) return std::nullopt;
  const std::string_view view(text);
  int value = 0;
  const auto [end, error] = std::from_chars(view.data(), view.data() + view.size(), value);
  if (error != std::errc() || end != view.data() + view.size()) return std::nullopt;
  return value;
}

struct Variables {
  const char* rank;
  const char* size;
};
// Slurm last: mpirun inside a Slurm allocation sets its own variables beside those of the allocation.
constexpr std::array<Variables, 3> kLaunchers = {
    {{"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"}, {"PMI_RANK", "PMI_SIZE"}, {"SLURM_PROCID", "SLURM_NTASKS"}}};

}  // namespace

Rank RankFromEnvironment() {
  for (const Variables& launcher : kLaunchers) {
    const auto rank = Number(launcher.rank);
    const auto size = Number(launcher.size);
    if (rank && size && *size >= 1 && *rank >= 0 && *rank < *size) return {*rank, *size};
  }
  return {};
}

}  // namespace dflop
