// A progress bar with an estimate on a terminal; silent in a pipe, so that scripts read clean output.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>

namespace dflop {

class Progress {
 public:
  /// `quiet` silences it even on a terminal. Writes to stderr only.
  Progress(std::string label, std::size_t total, bool quiet);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  void Advance(std::size_t steps = 1);
  /// A line that stays above the bar; nothing where there is no bar.
  void Tell(const std::string& line);

 private:
  void Draw();
  std::string label_;
  std::size_t total_;
  std::size_t done_ = 0;
  bool shown_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  std::chrono::steady_clock::time_point drawn_{};
};

}  // namespace dflop
