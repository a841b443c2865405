// Ranks tell each other where their values are by the transport; the sums themselves stay on the device.
#include "real_runner/cuda/gradient_sum.hpp"

#include <algorithm>
#include <memory>
#include <set>
#include <utility>

#include "base/error.hpp"
#include "real_runner/cuda/collectives.hpp"
#include "real_runner/cuda/training_rows.hpp"
#include "real_runner/kernels/steady_clock.hpp"

namespace dflop::cuda {
namespace {

/// In the order of the participants.
std::vector<int> GpusOf(const Collective& collective, const std::vector<int>& gpus) {
  std::vector<int> used;
  for (const int rank : collective.ranks) used.push_back(gpus[static_cast<std::size_t>(rank)]);
  return used;
}

bool OnOneGpu(const std::vector<int>& gpus) {
  return std::all_of(gpus.begin(), gpus.end(), [&](int gpu) { return gpu == gpus.front(); });
}

class DeviceSumming {
 public:
  explicit DeviceSumming(const SumContext& context)
      : context_(context),
        collective_(context.program.collectives[context.index]),
        gpus_(GpusOf(collective_, context.gpus)),
        size_(collective_.stages.size()) {
    for (std::size_t i = 0; i < size_; ++i) {
      if (collective_.ranks[i] == context.transport.rank()) own_.emplace_back(i, context.values(collective_.stages[i]));
    }
  }

  CollectiveSpan Run(double ready_s) {
    const double start = Tell(0, ready_s);
    if (OnOneGpu(gpus_)) {
      SumOwnShares();
      Tell(1, ready_s);
      TakeOtherShares();
      Tell(2, ready_s);
    } else {
      DFLOP_CHECK(own_.size() == 1, "NCCL has one participant a GPU");
      const auto& [i, values] = own_.front();
      SumOverGpus(gpus_, i, values.data(), static_cast<std::int64_t>(values.size()), context_.stream);
      Synchronize();
    }
    return {start, NowSeconds()};
  }

 private:
  void Synchronize() const { DFLOP_CUDA_CHECK(cudaStreamSynchronize(context_.stream)); }

  /// Every participant hears from every other that it has come so far, and where its values are. Returns when the last
  /// was ready.
  double Tell(int phase, double ready_s) {
    double last = ready_s;
    for (const auto& [i, values] : own_) {
      for (std::size_t to = 0; to < size_; ++to) {
        if (to == i) continue;
        Payload payload;
        payload.tensors.push_back(std::make_shared<std::span<float>>(values));
        context_.transport.Send(collective_.ranks[to], {Name(phase, i, to), ready_s, 0, std::move(payload)});
      }
    }
    values_.resize(size_);
    for (const auto& [i, values] : own_) {
      values_[i] = values;
      for (std::size_t from = 0; from < size_; ++from) {
        if (from == i) continue;
        const Parcel parcel = context_.transport.Wait(Name(phase, from, i));
        last = std::max(last, parcel.start_s);
        values_[from] = *static_cast<const std::span<float>*>(parcel.payload.tensors.front().get());
        DFLOP_CHECK(values_[from].size() == values.size(), "replicas have tensors of one size");
      }
    }
    return last;
  }
  std::int64_t Name(int phase, std::size_t from, std::size_t to) const {
    return CollectiveParcel(context_.program, context_.index, phase, from, to);
  }
  /// What participant `i` adds up.
  std::span<float> Share(std::span<float> values, std::size_t i) const {
    const std::size_t begin = values.size() * i / size_;
    return values.subspan(begin, values.size() * (i + 1) / size_ - begin);
  }

  void SumOwnShares() {
    DFLOP_CHECK(size_ <= static_cast<std::size_t>(kMostSources), "more participants than a kernel takes");
    for (const auto& [i, values] : own_) {
      Sources sources;
      for (const std::span<float>& of : values_) sources.at[sources.count++] = Share(of, i).data();
      const std::span<float> sum = Share(values, i);
      SumSources(sources, sum.data(), static_cast<std::int64_t>(sum.size()), context_.stream);
    }
    Synchronize();
  }

  void TakeOtherShares() {
    for (const auto& [i, values] : own_) {
      for (std::size_t from = 0; from < size_; ++from) {
        if (from == i) continue;
        const std::span<float> to = Share(values, from);
        if (to.empty()) continue;
        DFLOP_CUDA_CHECK(cudaMemcpyAsync(to.data(), Share(values_[from], from).data(), to.size_bytes(),
                                         cudaMemcpyDeviceToDevice, context_.stream));
      }
    }
    Synchronize();
  }

  const SumContext& context_;
  const Collective& collective_;
  std::vector<int> gpus_;  ///< [participant]
  std::size_t size_;
  std::vector<std::pair<std::size_t, std::span<float>>> own_;  ///< this rank's participants and their values
  std::vector<std::span<float>> values_;                       ///< [participant]
};

}  // namespace

CollectiveSpan SumOnDevices(const SumContext& context, double ready_s) { return DeviceSumming(context).Run(ready_s); }

void PrepareSums(const StepProgram& program, int rank, const std::vector<int>& gpus) {
  for (const Collective& collective : program.collectives) {
    if (std::find(collective.ranks.begin(), collective.ranks.end(), rank) == collective.ranks.end()) continue;
    const std::vector<int> used = GpusOf(collective, gpus);
    if (OnOneGpu(used)) continue;
    if (std::set<int>(used.begin(), used.end()).size() < used.size()) {
      throw RunError("a sum between GPUs of which one holds two of the terms: NCCL has one participant a GPU");
    }
    PrepareSumOverGpus(used);
  }
}

}  // namespace dflop::cuda
