// What is complete early waits for its turn: messages of one hub queue go one after the other, as in the simulator.
#include "real_runner/execute/relay_station.hpp"

#include <algorithm>
#include <tuple>
#include <utility>

#include "base/error.hpp"
#include "base/index.hpp"

namespace dflop {
namespace {

using TileName = std::tuple<int, int, int>;  // module, sample, tile

/// Calls visit(tile, first value, values of the tile) for every tile of a message.
template <typename Visit>
void ForEachTile(const Message& message, const Visit& visit) {
  std::size_t offset = 0;
  for (const Piece& piece : message.pieces) {
    const std::int64_t tiles = CountTiles(piece.tiles);
    if (tiles == 0) continue;
    const auto values = static_cast<std::size_t>(piece.values() / tiles);
    for (const TileRange& range : piece.tiles) {
      for (int tile = range.first; tile < range.first + range.count; ++tile, offset += values) {
        visit(TileName{piece.module, range.sample, tile}, offset, values);
      }
    }
  }
}

}  // namespace

Payload Regroup(const std::vector<const Message*>& parts, const std::vector<Payload>& payloads, const Message& wanted) {
  Payload regrouped;
  std::map<TileName, const float*> found;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const Payload& payload = payloads[i];
    regrouped.tensors.insert(regrouped.tensors.end(), payload.tensors.begin(), payload.tensors.end());
    if (payload.values.empty()) continue;
    ForEachTile(*parts[i], [&](const TileName& tile, std::size_t offset, std::size_t) {
      found[tile] = payload.values.data() + offset;
    });
  }
  if (found.empty()) return regrouped;
  regrouped.values.resize(static_cast<std::size_t>(wanted.values()));
  ForEachTile(wanted, [&](const TileName& tile, std::size_t offset, std::size_t count) {
    std::copy_n(found.at(tile), count, regrouped.values.begin() + static_cast<std::ptrdiff_t>(offset));
  });
  return regrouped;
}

RelayStation::RelayStation(const StepProgram& program, int rank, const std::vector<double>& delays,
                           Transport& transport, LedgerPage& page)
    : program_(program), delays_(delays), transport_(transport), page_(page) {
  for (const Relay& relay : program.ranks[Index(rank)].relays) {
    for (const int message : relay.in) use_[message] = waiting_.size();
    waiting_.push_back({&relay});
  }
}

bool RelayStation::Take(Parcel& parcel) {
  const auto found = use_.find(parcel.name);
  if (found == use_.end()) return false;
  const std::lock_guard lock(mutex_);
  waiting_[found->second].parcels.emplace(parcel.name, std::move(parcel));
  SendWhatIsReady();
  return true;
}

/// A queue is served in order; what is complete early waits for what comes before it in the same queue.
void RelayStation::SendWhatIsReady() {
  std::map<int, bool> blocked;
  for (Waiting& waiting : waiting_) {
    const auto queue_of = [&](const std::vector<int>& messages) {
      return program_.messages[Index(messages.front())].hub_queue;
    };
    const int queue = std::max(queue_of(waiting.relay->in), queue_of(waiting.relay->out));
    if (waiting.sent || blocked[queue]) continue;
    if (waiting.parcels.size() < waiting.relay->in.size()) {
      blocked[queue] = true;
    } else {
      Forward(waiting);
    }
  }
}

void RelayStation::Forward(Waiting& waiting) {
  waiting.sent = true;
  const double ready = Ready(waiting);
  std::vector<const Message*> parts;
  std::vector<Payload> payloads;
  for (auto& [name, parcel] : waiting.parcels) {
    parts.push_back(&program_.messages[static_cast<std::size_t>(name)]);
    payloads.push_back(std::move(parcel.payload));
  }
  waiting.parcels.clear();
  for (const int name : waiting.relay->out) {
    const Message& message = program_.messages[Index(name)];
    const double delay = delays_[Index(name)];
    const double end = Serially(message.hub_queue, ready, delay);
    const bool simulated = delay > 0;
    transport_.Send(message.to_rank, {name, end - delay, simulated ? end : 0, Regroup(parts, payloads, message)});
  }
}

/// When all that was waited for has arrived, which is noted for those that travelled to get here.
double RelayStation::Ready(Waiting& waiting) {
  double ready = 0;
  for (const int name : waiting.relay->in) {
    const Message& message = program_.messages[Index(name)];
    Parcel& parcel = waiting.parcels.at(name);
    const double delay = delays_[Index(name)];
    const bool serial = message.hub_queue >= 0 && delay > 0;
    const double end = serial ? Serially(message.hub_queue, parcel.start_s, delay) : parcel.arrives_s;
    const double start = serial ? end - delay : parcel.start_s;
    page_.Add({OpKind::kTransfer, message.operation_stage, message.operation_to_stage, message.microbatch,
               message.backward, message.travels(), start, end});
    ready = std::max(ready, end);
  }
  return ready;
}

double RelayStation::Serially(int queue, double from, double delay) {
  if (queue < 0) return from + delay;
  double& free = free_at_[queue];
  free = std::max(free, from) + delay;
  return free;
}

}  // namespace dflop
