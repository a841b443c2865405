// A rank's doing is one atomic word, and an event counts only once it is written: others read a page without a lock,
// also of a rank that has died.
#include "real_runner/execute/ledger.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <mutex>
#include <new>

#include "base/error.hpp"
#include "sim/graph/op_kind.hpp"
#include "sim/measure/timeline.hpp"

namespace dflop {
namespace {

static_assert(std::atomic<std::uint64_t>::is_always_lock_free, "pages are shared between processes");

constexpr std::uint64_t kNoIndex = 0xffffff;  // 24 bits each for stage and microbatch

std::uint64_t Pack(const Activity& activity) {
  const auto index = [](std::int32_t value) { return static_cast<std::uint64_t>(value) & kNoIndex; };
  return static_cast<std::uint64_t>(activity.doing) << 56 | static_cast<std::uint64_t>(activity.kind) << 48 |
         index(activity.stage) << 24 | index(activity.microbatch);
}

Activity Unpack(std::uint64_t packed) {
  const auto index = [](std::uint64_t value) { return value == kNoIndex ? -1 : static_cast<std::int32_t>(value); };
  return {static_cast<Activity::Doing>(packed >> 56), static_cast<OpKind>(packed >> 48 & 0xff),
          index(packed >> 24 & kNoIndex), index(packed & kNoIndex)};
}

/// A killed child that its launcher has not collected yet still has a number.
bool IsZombie(int process) {
  std::ifstream in("/proc/" + std::to_string(process) + "/stat");
  std::string text;
  std::getline(in, text);
  const std::size_t name_end = text.rfind(')');
  return name_end != text.npos && name_end + 2 < text.size() && text[name_end + 2] == 'Z';
}

std::string OperationText(const Activity& activity) {
  std::string text = KindName(activity.kind);
  std::replace(text.begin(), text.end(), '_', ' ');
  if (activity.microbatch >= 0) text += " of microbatch " + std::to_string(activity.microbatch);
  if (activity.stage >= 0) text += " on stage " + std::to_string(activity.stage);
  return text;
}

}  // namespace

std::string Describe(const Activity& activity) {
  switch (activity.doing) {
    case Activity::Doing::kPreparing:
      return "it was preparing a step";
    case Activity::Doing::kRunning:
      return "it was running " + OperationText(activity);
    case Activity::Doing::kWaiting:
      return "it was waiting for what " + OperationText(activity) + " needs";
    case Activity::Doing::kDone:
      return "it had finished its step";
    case Activity::Doing::kFailed:
      return "it had failed in " + OperationText(activity);
  }
  CheckFailed("known activity", __FILE__, __LINE__, "every activity is described");
}

std::size_t LedgerPage::BytesFor(std::size_t events) {
  constexpr std::size_t kAlign = 64;
  return (sizeof(LedgerPage) + events * sizeof(LedgerEvent) + kAlign - 1) / kAlign * kAlign;
}

void LedgerPage::Begin(int process) {
  std::memset(static_cast<void*>(first()), 0, capacity_ * sizeof(LedgerEvent));  // so that no page fault is timed
  process_.store(process);
}

void LedgerPage::StartStep(double start_s) { start_s_.store(start_s); }

void LedgerPage::Start(const Activity& activity) { activity_.store(Pack(activity)); }

void LedgerPage::Add(const LedgerEvent& event) {
  static std::mutex mutex;  // of this process: its courier adds events too
  const std::lock_guard lock(mutex);
  const std::uint64_t count = count_.load();
  DFLOP_CHECK(count < capacity_, "a page holds the events of a step");
  first()[count] = event;
  count_.store(count + 1);
}

void LedgerPage::Finish(const RankSeconds& seconds) {
  seconds_ = seconds;
  Start({Activity::Doing::kDone, OpKind::kForward, -1, -1});
}

void LedgerPage::Fail(const std::string& why) {
  std::strncpy(failure_, why.c_str(), kFailureBytes - 1);
  failed_.store(true);
}

void LedgerPage::Clear() {
  count_.store(0);
  seconds_ = {};
  Start({});
}

Activity LedgerPage::activity() const { return Unpack(activity_.load()); }

std::vector<LedgerEvent> LedgerPage::events() const { return {first(), first() + count_.load()}; }

std::string LedgerPage::failure() const { return failed_.load() ? failure_ : ""; }

bool LedgerPage::alive() const {
  const int process = process_.load();
  return process == 0 || ((kill(process, 0) == 0 || errno == EPERM) && !IsZombie(process));
}

Ledger::Ledger(int ranks, std::size_t events) : ranks_(ranks), page_bytes_(LedgerPage::BytesFor(events)) {
  Map(-1);
  Open(events);
}

Ledger::Ledger(int ranks, std::size_t events, const std::string& name, bool creates)
    : ranks_(ranks), page_bytes_(LedgerPage::BytesFor(events)), name_(name) {
  if (creates) shm_unlink(name.c_str());  // of a job that died before it could forget it
  const int file = shm_open(name.c_str(), creates ? O_RDWR | O_CREAT | O_EXCL : O_RDWR, 0600);
  const auto bytes = static_cast<off_t>(page_bytes_ * static_cast<std::size_t>(ranks));
  if (file < 0 || (creates && ftruncate(file, bytes) != 0)) {
    throw RunError("cannot share memory between ranks (" + name + "): " + std::strerror(errno));
  }
  Map(file);
  close(file);
  if (creates) Open(events);
}

Ledger::~Ledger() {
  ForgetName();
  munmap(memory_, page_bytes_ * static_cast<std::size_t>(ranks_));
}

void Ledger::Map(int file) {
  const int kind = file < 0 ? MAP_SHARED | MAP_ANONYMOUS : MAP_SHARED;
  memory_ = mmap(nullptr, page_bytes_ * static_cast<std::size_t>(ranks_), PROT_READ | PROT_WRITE, kind, file, 0);
  if (memory_ == MAP_FAILED) throw RunError("no memory for the ledger of " + std::to_string(ranks_) + " ranks");
}

void Ledger::Open(std::size_t events) {
  for (int rank = 0; rank < ranks_; ++rank) (new (&page(rank)) LedgerPage)->capacity_ = events;
}

void Ledger::ForgetName() {
  if (!name_.empty()) shm_unlink(name_.c_str());
  name_.clear();
}

LedgerPage& Ledger::page(int rank) {
  return *reinterpret_cast<LedgerPage*>(static_cast<char*>(memory_) + page_bytes_ * static_cast<std::size_t>(rank));
}

bool Ledger::ClaimReport() { return !page(0).reported_.exchange(true); }

std::string Ledger::WhyBroken() {
  for (int rank = 0; rank < ranks_; ++rank) {
    const LedgerPage& of = page(rank);
    const std::string who = "rank " + std::to_string(rank);
    if (!of.failure().empty()) return who + " failed: " + of.failure();
    if (!of.alive()) {
      return who + " (process " + std::to_string(of.process()) + ") is gone; " + Describe(of.activity());
    }
  }
  return "";
}

}  // namespace dflop
