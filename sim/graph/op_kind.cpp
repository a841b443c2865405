// Names stand in the enum's order, so that a kind's number is its place among them.
#include "sim/graph/op_kind.hpp"

#include <algorithm>
#include <array>
#include <string>

namespace dflop {
namespace {

constexpr std::array<const char*, 8> kKindNames = {"forward",         "backward",        "backward_input",
                                                   "backward_weight", "transfer",        "gradient_reduction",
                                                   "optimizer_step",  "parameter_gather"};

}  // namespace

const char* KindName(OpKind kind) { return kKindNames[static_cast<std::size_t>(kind)]; }

OpKind ReadKind(const JsonReader& json) {
  const std::string name = json.OneOf({kKindNames.begin(), kKindNames.end()});
  const auto found = std::find(kKindNames.begin(), kKindNames.end(), name);
  return static_cast<OpKind>(found - kKindNames.begin());
}

}  // namespace dflop
