// Ranks that are threads of one process: a parcel is moved into the receiver's mailbox.
#include <utility>

#include "real_runner/messages/transport.hpp"

namespace dflop {
namespace {

class ThreadTransport final : public Transport {
 public:
  using Peers = std::shared_ptr<std::vector<ThreadTransport*>>;
  ThreadTransport(int rank, Peers peers) : rank_(rank), peers_(std::move(peers)) {}

  int rank() const override { return rank_; }
  int size() const override { return static_cast<int>(peers_->size()); }
  void Send(int to, Parcel parcel) override { (*peers_)[static_cast<std::size_t>(to)]->Deliver(std::move(parcel)); }

 private:
  int rank_;
  Peers peers_;
};

}  // namespace

std::vector<std::unique_ptr<Transport>> MakeThreadTransports(int size) {
  const auto peers = std::make_shared<std::vector<ThreadTransport*>>();
  std::vector<std::unique_ptr<Transport>> transports;
  for (int rank = 0; rank < size; ++rank) {
    auto transport = std::make_unique<ThreadTransport>(rank, peers);
    peers->push_back(transport.get());
    transports.push_back(std::move(transport));
  }
  return transports;
}

}  // namespace dflop
