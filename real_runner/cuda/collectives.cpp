// All ranks are started behind kernels that spin, since one host thread starts them one after the other.
#include "real_runner/cuda/collectives.hpp"

#include <nccl.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <mutex>
#include <numeric>

#include "real_runner/cuda/kernels.hpp"

namespace dflop::cuda {
namespace {

constexpr std::int64_t kElementBytes = sizeof(Bf16);
constexpr double kSpinSeconds = 200e-6;  // per GPU: longer than the host needs to start all ranks
constexpr std::uint64_t kSeed = 0xC0111EC7;

void Check(ncclResult_t status, const char* call, const char* file, int line) {
  if (status != ncclSuccess) Fail(call, file, line, ncclGetErrorString(status));
}

#define DFLOP_NCCL_CHECK(call) Check((call), #call, __FILE__, __LINE__)

int Devices() {
  int count = 0;
  DFLOP_CUDA_CHECK(cudaGetDeviceCount(&count));
  return count;
}

void Use(int device) { DFLOP_CUDA_CHECK(cudaSetDevice(device)); }

/// Device 0 is current again at the end, whatever happens: every other kernel runs there.
struct BackToFirst {
  BackToFirst() = default;
  ~BackToFirst() { cudaSetDevice(0); }
  BackToFirst(const BackToFirst&) = delete;
  BackToFirst& operator=(const BackToFirst&) = delete;
};

/// The communicators of one set of devices, one rank on each. Making them takes seconds, so they stay.
class Communicators {
 public:
  explicit Communicators(const std::vector<int>& devices) : communicators_(devices.size()) {
    DFLOP_NCCL_CHECK(ncclCommInitAll(communicators_.data(), static_cast<int>(devices.size()), devices.data()));
  }
  ~Communicators() {
    for (ncclComm_t communicator : communicators_) ncclCommDestroy(communicator);
  }
  Communicators(const Communicators&) = delete;
  Communicators& operator=(const Communicators&) = delete;
  ncclComm_t of(int rank) const { return communicators_[static_cast<std::size_t>(rank)]; }

  /// Never freed: when the process ends, CUDA may be gone before them.
  static std::shared_ptr<Communicators> For(const std::vector<int>& devices) {
    static auto& known = *new std::map<std::vector<int>, std::shared_ptr<Communicators>>;
    static std::mutex one_at_a_time;
    const std::lock_guard lock(one_at_a_time);
    std::shared_ptr<Communicators>& found = known[devices];
    if (found == nullptr) found = std::make_shared<Communicators>(devices);
    return found;
  }
  /// Rank r on device r.
  static std::shared_ptr<Communicators> For(int ranks) {
    std::vector<int> devices(static_cast<std::size_t>(ranks));
    std::iota(devices.begin(), devices.end(), 0);
    return For(devices);
  }

 private:
  std::vector<ncclComm_t> communicators_;
};

/// What one GPU has: made, used and freed while its device is current.
struct Rank {
  Rank(int device, std::int64_t in_bytes, std::int64_t out_bytes) : in(in_bytes), out(out_bytes) {
    FillUniform(static_cast<Bf16*>(in.data()), in_bytes / kElementBytes, 1, 0,
                kSeed + static_cast<std::uint64_t>(device), stream.get());
  }
  Stream stream;
  Event start, end;
  DeviceBuffer in, out;
};

/// Elements that a rank gives and gets, and in how many parts the buffer of `bytes` falls.
struct Sizes {
  Sizes(const std::string& op, std::int64_t bytes, std::int64_t ranks)
      : part(std::max<std::int64_t>(1, bytes / kElementBytes / ranks)) {
    const std::int64_t whole = part * ranks;
    const bool chain = op == "send_recv";
    in = chain ? std::max<std::int64_t>(1, bytes / kElementBytes) : op == "all_gather" ? part : whole;
    out = chain ? in : op == "reduce_scatter" ? part : whole;
  }
  std::int64_t part, in, out;
};

class Collective final : public CudaKernel {
 public:
  Collective(std::string op, std::int64_t bytes, int ranks)
      : op_(std::move(op)), sizes_(op_, bytes, ranks), communicators_(Communicators::For(ranks)) {
    const BackToFirst back;
    for (int rank = 0; rank < ranks; ++rank) {
      Use(rank);
      ranks_.push_back(std::make_unique<Rank>(rank, sizes_.in * kElementBytes, sizes_.out * kElementBytes));
      ranks_.back()->stream.Synchronize();
    }
  }
  ~Collective() override {
    const BackToFirst back;
    for (std::size_t rank = 0; rank < ranks_.size(); ++rank) {
      cudaSetDevice(static_cast<int>(rank));
      ranks_[rank].reset();
    }
  }
  Collective(const Collective&) = delete;
  Collective& operator=(const Collective&) = delete;

  void Launch() override {
    const BackToFirst back;
    Start();
  }
  std::string implementation() const override { return "nccl " + CollectivesVersion(); }

  std::vector<TimedLaunch> Time(int repeats) override {
    const BackToFirst back;
    Start();  // the first one connects the ranks
    Synchronize();
    std::vector<TimedLaunch> times;
    for (int i = 0; i < repeats; ++i) times.push_back({TimeOne(), false});
    return times;
  }

  /// x_<rank> and y_<rank> of every rank.
  std::vector<HostTensor> RunOnce() override {
    const BackToFirst back;
    constexpr int kPoison = 0xFF;
    EachRank([](int, Rank& rank) {
      DFLOP_CUDA_CHECK(
          cudaMemsetAsync(rank.out.data(), kPoison, static_cast<std::size_t>(rank.out.bytes()), rank.stream.get()));
    });
    Start();
    Synchronize();
    std::vector<HostTensor> shown;
    EachRank([&](int i, Rank& rank) { shown.push_back(ToHost("x_" + std::to_string(i), rank.in)); });
    EachRank([&](int i, Rank& rank) {
      if (op_ != "send_recv" || i > 0) shown.push_back(ToHost("y_" + std::to_string(i), rank.out));
    });
    return shown;
  }

 private:
  template <typename Body>
  void EachRank(Body&& body) {
    for (std::size_t i = 0; i < ranks_.size(); ++i) {
      Use(static_cast<int>(i));
      body(static_cast<int>(i), *ranks_[i]);
    }
  }

  void Synchronize() {
    EachRank([](int, Rank& rank) { rank.stream.Synchronize(); });
  }

  void Start() {
    DFLOP_NCCL_CHECK(ncclGroupStart());
    EachRank([this](int i, Rank& rank) { StartRank(i, rank); });
    DFLOP_NCCL_CHECK(ncclGroupEnd());
  }

  void StartRank(int i, Rank& rank) {
    ncclComm_t communicator = communicators_->of(i);
    const auto part = static_cast<std::size_t>(sizes_.part), whole = static_cast<std::size_t>(sizes_.in);
    const void* const in = rank.in.data();
    void* const out = rank.out.data();
    cudaStream_t stream = rank.stream.get();
    if (op_ == "all_reduce") {
      DFLOP_NCCL_CHECK(ncclAllReduce(in, out, whole, ncclBfloat16, ncclSum, communicator, stream));
    } else if (op_ == "reduce_scatter") {
      DFLOP_NCCL_CHECK(ncclReduceScatter(in, out, part, ncclBfloat16, ncclSum, communicator, stream));
    } else if (op_ == "all_gather") {
      DFLOP_NCCL_CHECK(ncclAllGather(in, out, part, ncclBfloat16, communicator, stream));
    } else if (op_ == "all_to_all") {
      for (int peer = 0; peer < static_cast<int>(ranks_.size()); ++peer) {
        const std::int64_t at = peer * sizes_.part;
        DFLOP_NCCL_CHECK(ncclSend(static_cast<const Bf16*>(in) + at, part, ncclBfloat16, peer, communicator, stream));
        DFLOP_NCCL_CHECK(ncclRecv(static_cast<Bf16*>(out) + at, part, ncclBfloat16, peer, communicator, stream));
      }
    } else {  // send_recv: from each rank to the next, as between pipeline stages
      if (i + 1 < static_cast<int>(ranks_.size())) {
        DFLOP_NCCL_CHECK(ncclSend(in, whole, ncclBfloat16, i + 1, communicator, stream));
      }
      if (i > 0) DFLOP_NCCL_CHECK(ncclRecv(out, whole, ncclBfloat16, i - 1, communicator, stream));
    }
  }

  /// Every GPU spins while the host starts all of them. The rank that came last waits for nobody: its time, the
  /// shortest, is the collective's own.
  double TimeOne() {
    EachRank([this](int, Rank& rank) {
      Spin(kSpinSeconds * static_cast<double>(ranks_.size()), rank.stream.get());
      rank.start.Record(rank.stream.get());
    });
    Start();
    EachRank([](int, Rank& rank) { rank.end.Record(rank.stream.get()); });
    Synchronize();
    double shortest = -1;
    EachRank([&](int, Rank& rank) {
      const double seconds = rank.end.SecondsSince(rank.start);
      if (shortest < 0 || seconds < shortest) shortest = seconds;
    });
    return shortest;
  }

  static HostTensor ToHost(const std::string& name, const DeviceBuffer& buffer) {
    std::vector<Bf16> values(static_cast<std::size_t>(buffer.bytes() / kElementBytes));
    DFLOP_CUDA_CHECK(
        cudaMemcpy(values.data(), buffer.data(), static_cast<std::size_t>(buffer.bytes()), cudaMemcpyDeviceToHost));
    HostTensor tensor{name, {static_cast<std::int64_t>(values.size())}, {}};
    for (const Bf16 value : values) tensor.values.push_back(__bfloat162float(value));
    return tensor;
  }

  std::string op_;
  Sizes sizes_;
  std::shared_ptr<Communicators> communicators_;
  std::vector<std::unique_ptr<Rank>> ranks_;
};

}  // namespace

std::unique_ptr<CudaKernel> PrepareCollective(const CostRow& row) {
  const auto ranks = static_cast<int>(row.dimension("ranks"));
  if (Devices() == 1) throw Unsupported("collectives need several GPUs; this machine has one");
  if (ranks < 2 || ranks > Devices()) {
    throw Unsupported(std::to_string(ranks) + " ranks; this machine has " + std::to_string(Devices()) + " GPUs");
  }
  return std::make_unique<Collective>(row.op, static_cast<std::int64_t>(row.dimension("bytes")), ranks);
}

void PrepareSumOverGpus(const std::vector<int>& devices) { static_cast<void>(Communicators::For(devices)); }

void SumOverGpus(const std::vector<int>& devices, std::size_t place, float* values, std::int64_t count,
                 cudaStream_t stream) {
  ncclComm_t communicator = Communicators::For(devices)->of(static_cast<int>(place));
  DFLOP_NCCL_CHECK(
      ncclAllReduce(values, values, static_cast<std::size_t>(count), ncclFloat, ncclSum, communicator, stream));
}

std::string CollectivesVersion() {
  int version = 0;
  if (ncclGetVersion(&version) != ncclSuccess) return "";
  return std::to_string(version / 10000) + "." + std::to_string(version % 10000 / 100) + "." +
         std::to_string(version % 100);
}

}  // namespace dflop::cuda
