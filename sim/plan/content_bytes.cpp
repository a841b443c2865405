// Names of kinds here belong to the encoding: they stay when files call a kind otherwise.
#include "sim/plan/content_bytes.hpp"

#include <array>
#include <bit>

#include "base/error.hpp"

namespace dflop {

void ContentBytes::Count(std::int64_t value) {
  DFLOP_CHECK(value >= 0, "a count is not negative");
  for (; value >= 128; value /= 128) bytes_ += static_cast<char>(static_cast<unsigned char>(value % 128 + 128));
  bytes_ += static_cast<char>(value);
}

void ContentBytes::Text(std::string_view text) {
  Count(static_cast<std::int64_t>(text.size()));
  bytes_ += text;
}

void ContentBytes::Time(Seconds time) {
  auto bits = std::bit_cast<std::uint64_t>(time.value() == 0 ? 0.0 : time.value());
  std::array<char, 8> bytes{};
  for (char& byte : bytes) {
    byte = static_cast<char>(static_cast<unsigned char>(bits & 255));
    bits >>= 8;
  }
  bytes_.append(bytes.data(), bytes.size());
}

void ContentBytes::Field(std::string_view name, std::int64_t value, std::int64_t by_default) {
  if (value == by_default) return;
  Text(name);
  Count(value);
}

std::string_view ContentName(OpKind kind) {
  switch (kind) {
    case OpKind::kForward:
      return "forward";
    case OpKind::kBackward:
      return "backward";
    case OpKind::kBackwardInput:
      return "backward-input";
    case OpKind::kBackwardWeight:
      return "backward-weight";
    case OpKind::kTransfer:
      return "transfer";
    case OpKind::kGradientReduction:
      return "gradient-reduction";
    case OpKind::kOptimizerStep:
      return "optimizer-step";
    case OpKind::kParameterGather:
      return "parameter-gather";
  }
  CheckFailed("a kind has a name", __FILE__, __LINE__, std::to_string(static_cast<int>(kind)));
}

}  // namespace dflop
