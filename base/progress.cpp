// Drawn ten times a second at most, on one line of stderr; what is left is estimated from the mean pace so far.
#include "base/progress.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <utility>

#include "base/terminal.hpp"
#include "base/text.hpp"

namespace dflop {

Progress::Progress(std::string label, std::size_t total, bool quiet)
    : label_(std::move(label)), total_(std::max<std::size_t>(total, 1)), shown_(!quiet && isatty(STDERR_FILENO) == 1) {}

Progress::~Progress() {
  if (shown_) std::fputs("\r\033[K", stderr);
}

void Progress::Advance(std::size_t steps) {
  done_ += steps;
  if (shown_) Draw();
}

void Progress::Tell(const std::string& line) {
  if (!shown_) return;
  std::fprintf(stderr, "\r\033[K%s\n", Wrapped(line, ErrorStyle()).c_str());
  drawn_ = {};
}

void Progress::Draw() {
  const auto now = std::chrono::steady_clock::now();
  if (done_ < total_ && now - drawn_ < std::chrono::milliseconds(100)) return;
  drawn_ = now;
  // A bar that goes on in a second line could not be drawn over.
  constexpr std::size_t kLongest = 30, kBesideBar = 36;
  const std::size_t columns = ErrorStyle().width.value_or(kLongest + kBesideBar + Columns(label_));
  const std::size_t length = std::min(kLongest, columns - std::min(columns, kBesideBar + Columns(label_)));
  const std::size_t filled = std::min(length, length * done_ / total_);
  const double elapsed = std::chrono::duration<double>(now - start_).count();
  const double left = elapsed / static_cast<double>(std::max<std::size_t>(done_, 1)) *
                      static_cast<double>(total_ - std::min(total_, done_));
  std::fprintf(stderr, "\r\033[K%s [%s%s] %zu/%zu, about %.0f s left", label_.c_str(), std::string(filled, '#').c_str(),
               std::string(length - filled, '.').c_str(), done_, total_, left);
}

}  // namespace dflop
