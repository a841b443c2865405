// Ranks that are processes under MPI. One thread of each, the courier, makes every call of MPI: it sends what it is
// given and takes in what comes, also while the rank computes. It looks often when the rank waits for something and
// seldom when it computes, because the processor is the rank's.
#include <mpi.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <deque>
#include <exception>
#include <future>
#include <list>
#include <mutex>
#include <thread>
#include <utility>

#include "base/error.hpp"
#include "real_runner/messages/transport.hpp"

namespace dflop {
namespace {

constexpr int kHeaderTag = 1;
constexpr int kValuesTag = 2;
constexpr std::chrono::microseconds kEager{10};   // between looks while the rank waits
constexpr std::chrono::microseconds kLazy{1000};  // and while it computes

struct Header {
  std::int64_t name;
  std::int64_t values;
  double start_s;
  double arrives_s;
};

/// A parcel that MPI may still be reading.
struct Outgoing {
  Header header{};
  std::vector<float> values{};
  std::vector<MPI_Request> requests{};
};

class MpiTransport final : public Transport {
 public:
  MpiTransport(int rank, int size) : rank_(rank), size_(size) {}
  int rank() const override { return rank_; }
  int size() const override { return size_; }

  void Send(int to, Parcel parcel) override {
    DFLOP_CHECK(parcel.payload.tensors.empty(), "processes share no device memory");
    if (to == rank_) return Deliver(std::move(parcel));
    {
      const std::lock_guard lock(mutex_);
      waiting_.emplace_back(to, std::move(parcel));
    }
    wake_.notify_one();
  }

  /// The courier's work until there is nothing left to send after `Close`.
  void Serve() {
    while (true) {
      SendWaiting();
      while (Receive()) {
      }
      sent_.remove_if([](Outgoing& outgoing) {
        int done = 0;
        MPI_Testall(static_cast<int>(outgoing.requests.size()), outgoing.requests.data(), &done, MPI_STATUSES_IGNORE);
        return done != 0;
      });
      std::unique_lock lock(mutex_);
      if (closed_ && waiting_.empty() && sent_.empty()) return;
      if (!sent_.empty()) {  // a large message moves piece by piece, one with every look
        lock.unlock();
        std::this_thread::yield();
        continue;
      }
      if (waits()) {
        wake_.wait_for(lock, kEager, [this] { return !waiting_.empty(); });
      } else {
        wake_.wait_for(lock, kLazy, [this] { return !waiting_.empty() || waits() || closed_; });
      }
    }
  }

  void Hurry() override { wake_.notify_one(); }

  void Close() {
    {
      const std::lock_guard lock(mutex_);
      closed_ = true;
    }
    wake_.notify_one();
  }

 private:
  void SendWaiting() {
    std::deque<std::pair<int, Parcel>> batch;
    {
      const std::lock_guard lock(mutex_);
      batch.swap(waiting_);
    }
    for (auto& [to, parcel] : batch) {
      Outgoing& out = sent_.emplace_back();
      out.header = {parcel.name, static_cast<std::int64_t>(parcel.payload.values.size()), parcel.start_s,
                    parcel.arrives_s};
      out.values = std::move(parcel.payload.values);
      MPI_Isend(&out.header, sizeof(Header), MPI_BYTE, to, kHeaderTag, MPI_COMM_WORLD, &out.requests.emplace_back());
      if (out.values.empty()) continue;
      MPI_Isend(out.values.data(), static_cast<int>(out.values.size()), MPI_FLOAT, to, kValuesTag, MPI_COMM_WORLD,
                &out.requests.emplace_back());
    }
  }

  /// Takes in one parcel, if one is there.
  bool Receive() {
    int here = 0;
    MPI_Status status;
    MPI_Iprobe(MPI_ANY_SOURCE, kHeaderTag, MPI_COMM_WORLD, &here, &status);
    if (here == 0) return false;
    Header header{};
    MPI_Recv(&header, sizeof(Header), MPI_BYTE, status.MPI_SOURCE, kHeaderTag, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    Parcel parcel{header.name, header.start_s, header.arrives_s, {}};
    if (header.values > 0) {
      parcel.payload.values.resize(static_cast<std::size_t>(header.values));
      MPI_Recv(parcel.payload.values.data(), static_cast<int>(header.values), MPI_FLOAT, status.MPI_SOURCE, kValuesTag,
               MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    }
    Deliver(std::move(parcel));
    return true;
  }

  int rank_;
  int size_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::pair<int, Parcel>> waiting_;
  std::list<Outgoing> sent_;
  bool closed_ = false;
};

/// "" or why these ranks cannot work together.
std::string WhyApart(int size) {
  MPI_Comm machine{};
  MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &machine);
  int here = 0;
  MPI_Comm_size(machine, &here);
  MPI_Comm_free(&machine);
  if (here == size) return "";
  return "this rank shares its machine with " + std::to_string(here) + " of " + std::to_string(size) +
         " ranks; all must run on one, whose clock times them";
}

class MpiProcesses final : public MpiJob {
 public:
  MpiProcesses() : courier_([this] { Courier(); }) {
    try {
      transport_ = joined_.get_future().get();
    } catch (...) {
      courier_.join();
      throw;
    }
  }
  ~MpiProcesses() override {
    transport_->Close();
    courier_.join();
  }

  Transport& transport() override { return *transport_; }
  int leader() const override { return leader_; }

 private:
  void Courier() {
    MPI_Init(nullptr, nullptr);
    int rank = 0;
    int size = 0;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    const std::string apart = WhyApart(size);
    if (apart.empty()) {
      leader_ = static_cast<int>(getpid());
      MPI_Bcast(&leader_, 1, MPI_INT, 0, MPI_COMM_WORLD);
      MpiTransport transport(rank, size);
      joined_.set_value(&transport);
      transport.Serve();
    } else {
      joined_.set_exception(std::make_exception_ptr(InputError(apart)));
    }
    MPI_Finalize();
  }

  std::promise<MpiTransport*> joined_;
  MpiTransport* transport_ = nullptr;
  int leader_ = 0;
  std::thread courier_;  // last: it uses the rest
};

}  // namespace

bool HasMpi() { return true; }

std::unique_ptr<MpiJob> JoinMpi() { return std::make_unique<MpiProcesses>(); }

}  // namespace dflop
