// Where a rank finds what others have sent it, by name and not by order of arrival.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace dflop {

/// What a message carries: values, or tensors that stay where they are in a memory that both ends can reach. Which of
/// them, and what the tensors are, is the backend's matter.
struct Payload {
  std::vector<float> values{};
  std::vector<std::shared_ptr<const void>> tensors{};
};

/// A message under way, or here.
struct Parcel {
  std::int64_t name =
      0;  ///< an index into StepProgram::messages, or a name beyond them (real_runner/messages/collective.hpp)
  double start_s = 0;  ///< when its sender had it ready (or its hub began to send it), on the machine's steady clock
  /// When it counts as arrived: what a simulated link says, which may lie ahead; 0 until it is there, if links are
  /// real.
  double arrives_s = 0;
  Payload payload{};
};

class Mailbox {
 public:
  void Put(Parcel&& parcel);

  /// Blocks until the parcel is here. Calls `idle` about ten times a second meanwhile, which throws when there is
  /// nothing to wait for any more.
  Parcel Wait(std::int64_t name, const std::function<void()>& idle);

 private:
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::map<std::int64_t, Parcel> parcels_;
};

}  // namespace dflop
