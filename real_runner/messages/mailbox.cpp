// A waiting rank wakes ten times a second to see whether the others still live.
#include "real_runner/messages/mailbox.hpp"

#include <chrono>
#include <utility>

#include "base/error.hpp"

namespace dflop {
namespace {

constexpr std::chrono::milliseconds kIdle{100};

}  // namespace

void Mailbox::Put(Parcel&& parcel) {
  {
    const std::lock_guard lock(mutex_);
    const bool is_new = parcels_.try_emplace(parcel.name, std::move(parcel)).second;
    DFLOP_CHECK(is_new, "a message arrives once");
  }
  arrived_.notify_all();
}

Parcel Mailbox::Wait(std::int64_t name, const std::function<void()>& idle) {
  std::unique_lock lock(mutex_);
  auto found = parcels_.find(name);
  while (found == parcels_.end()) {
    if (arrived_.wait_for(lock, kIdle) == std::cv_status::timeout) {
      lock.unlock();
      idle();
      lock.lock();
    }
    found = parcels_.find(name);
  }
  Parcel parcel = std::move(found->second);
  parcels_.erase(found);
  return parcel;
}

}  // namespace dflop
