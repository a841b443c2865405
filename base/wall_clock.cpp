// Always UTC, so that dates of results made in different places compare as text.
#include "base/wall_clock.hpp"

#include <array>
#include <ctime>

namespace dflop {

std::string UtcNow() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&now, &utc);
  std::array<char, 32> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &utc);
  return text.data();
}

}  // namespace dflop
