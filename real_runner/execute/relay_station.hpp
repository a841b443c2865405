// The hub's side of an encoder's communicator: gathers one microbatch after the other and passes each receiver its own,
// while the rank computes.
#pragma once

#include <map>
#include <mutex>
#include <vector>

#include "real_runner/execute/ledger.hpp"
#include "real_runner/messages/transport.hpp"
#include "real_runner/program/step_program.hpp"

namespace dflop {

/// The projected pieces that `wanted` asks for, out of messages that bring them: values tile by tile, tensors all of
/// them. `parts` and `payloads` belong together.
Payload Regroup(const std::vector<const Message*>& parts, const std::vector<Payload>& payloads, const Message& wanted);

class RelayStation {
 public:
  /// `delays`: seconds by message, zero where links are real. All outlive the station.
  RelayStation(const StepProgram& program, int rank, const std::vector<double>& delays, Transport& transport,
               LedgerPage& page);

  /// Takes a parcel that a relay of this rank waits for.
  bool Take(Parcel& parcel);

 private:
  struct Waiting {
    const Relay* relay = nullptr;
    std::map<std::int64_t, Parcel> parcels{};
    bool sent = false;
  };
  void SendWhatIsReady();
  void Forward(Waiting& waiting);
  double Ready(Waiting& waiting);
  double Serially(int queue, double from, double delay);

  const StepProgram& program_;
  const std::vector<double>& delays_;
  Transport& transport_;
  LedgerPage& page_;
  std::mutex mutex_;
  std::vector<Waiting> waiting_;             ///< in the order in which the hub serves them
  std::map<std::int64_t, std::size_t> use_;  ///< message → index into waiting_
  std::map<int, double> free_at_;            ///< by hub queue
};

}  // namespace dflop
