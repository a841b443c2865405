#include "policies/layout_search/stack_choice.hpp"

namespace dflop {
namespace {

const char* ShardingText(Sharding sharding) {
  switch (sharding) {
    case Sharding::kNone:
      return ", no sharding";
    case Sharding::kOptimizer:
      return ", zero1";
    case Sharding::kGradients:
      return ", zero2";
    case Sharding::kParameters:
      return ", zero3";
  }
  return "";
}

}  // namespace

std::vector<SoftwareStack> StacksAlong(const StackAxes& axes, const SoftwareStack& given) {
  std::vector<SoftwareStack> stacks{given};
  const auto vary = [&](auto change) {
    const std::size_t known = stacks.size();
    for (std::size_t i = 0; i < known; ++i) {
      stacks.push_back(stacks[i]);
      change(stacks.back());
    }
  };
  if (axes.recompute) {
    const Recompute other = given.recompute == Recompute::kFull ? Recompute::kNone : Recompute::kFull;
    vary([&](SoftwareStack& stack) { stack.recompute = other; });
  }
  if (axes.optimizer) {
    vary([](SoftwareStack& stack) {
      stack.sharding = stack.sharding == Sharding::kNone ? Sharding::kOptimizer : Sharding::kNone;
    });
  }
  if (!axes.sharding) return stacks;
  const std::vector<SoftwareStack> unsharded = stacks;
  for (const Sharding sharding : {Sharding::kOptimizer, Sharding::kParameters}) {
    if (sharding == given.sharding) continue;
    for (SoftwareStack stack : unsharded) {
      stack.sharding = sharding;
      stacks.push_back(stack);
    }
  }
  return stacks;
}

std::string StackText(const StackAxes& axes, const SoftwareStack& stack) {
  std::string text;
  if (axes.recompute) {
    text += stack.recompute == Recompute::kNone   ? ", no recompute"
            : stack.recompute == Recompute::kFull ? ", full recompute"
                                                  : ", selective recompute";
  }
  if (axes.optimizer) text += stack.sharding != Sharding::kNone ? ", distributed optimizer" : ", whole optimizer";
  if (axes.sharding) text += ShardingText(stack.sharding);
  return text;
}

}  // namespace dflop
