// Two phases: shares go out and are added up by their owners, then the sums go round.
#include "real_runner/messages/collective.hpp"

#include <algorithm>
#include <utility>

#include "base/index.hpp"
#include "real_runner/kernels/steady_clock.hpp"

namespace dflop {
namespace {

/// One collective of a step as one rank sees it. A rank may hold several of the stages.
class Reduction {
 public:
  Reduction(const StepProgram& program, std::size_t index, const std::function<std::span<float>(int stage)>& values,
            Transport& transport)
      : program_(program),
        index_(index),
        collective_(program.collectives[index]),
        transport_(transport),
        size_(collective_.stages.size()) {
    for (std::size_t i = 0; i < size_; ++i) {
      if (collective_.ranks[i] == transport.rank()) own_.emplace_back(i, values(collective_.stages[i]));
    }
  }

  /// Returns when the last participant was ready.
  double Run(double ready_s) {
    double start = ready_s;
    for (const auto& [i, values] : own_) SendShares(i, values, ready_s);
    for (const auto& [i, values] : own_) start = std::max(start, AddUp(i, values));
    for (const auto& [i, values] : own_) SendSum(i, values);
    for (const auto& [i, values] : own_) TakeSums(i, values);
    return start;
  }

 private:
  std::int64_t Name(int phase, std::size_t from, std::size_t to) const {
    return CollectiveParcel(program_, index_, phase, from, to);
  }
  /// What participant `i` adds up.
  std::span<float> Share(std::span<float> values, std::size_t i) const {
    const std::size_t begin = values.size() * i / size_;
    return values.subspan(begin, values.size() * (i + 1) / size_ - begin);
  }
  void Send(int phase, std::size_t from, std::size_t to, std::span<float> values, double ready_s) {
    transport_.Send(collective_.ranks[to], {Name(phase, from, to), ready_s, 0, {{values.begin(), values.end()}}});
  }

  void SendShares(std::size_t i, std::span<float> values, double ready_s) {
    for (std::size_t to = 0; to < size_; ++to) {
      if (to != i) Send(0, i, to, Share(values, to), ready_s);
    }
  }

  double AddUp(std::size_t i, std::span<float> values) {
    const std::span<float> sum = Share(values, i);
    const std::vector<float> own(sum.begin(), sum.end());
    double start = 0;
    for (std::size_t from = 0; from < size_; ++from) {
      const Parcel parcel = from == i ? Parcel{0, 0, 0, {own}} : transport_.Wait(Name(0, from, i));
      start = std::max(start, parcel.start_s);
      for (std::size_t v = 0; v < sum.size(); ++v) sum[v] = (from == 0 ? 0.0F : sum[v]) + parcel.payload.values[v];
    }
    return start;
  }

  void SendSum(std::size_t i, std::span<float> values) {
    for (std::size_t to = 0; to < size_; ++to) {
      if (to != i) Send(1, i, to, Share(values, i), NowSeconds());
    }
  }

  void TakeSums(std::size_t i, std::span<float> values) {
    for (std::size_t from = 0; from < size_; ++from) {
      if (from == i) continue;
      const Parcel parcel = transport_.Wait(Name(1, from, i));
      std::copy(parcel.payload.values.begin(), parcel.payload.values.end(), Share(values, from).begin());
    }
  }

  const StepProgram& program_;
  std::size_t index_;
  const Collective& collective_;
  Transport& transport_;
  std::size_t size_;
  std::vector<std::pair<std::size_t, std::span<float>>> own_;  ///< this rank's participants and their values
};

}  // namespace

CollectiveSpan AllReduce(const StepProgram& program, std::size_t index,
                         const std::function<std::span<float>(int stage)>& values, double delay, double ready_s,
                         Transport& transport) {
  const double start = Reduction(program, index, values, transport).Run(ready_s);
  return {start, delay > 0 ? start + delay : NowSeconds()};
}

}  // namespace dflop
