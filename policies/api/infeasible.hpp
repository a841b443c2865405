// What a plug-in throws when nothing satisfies its limits.
#pragma once

#include <stdexcept>
#include <string>
#include <utility>

namespace dflop {

/// The message names the limit that the least bad choice breaks, and by how much.
class Infeasible : public std::runtime_error {
 public:
  /// `key`: of a policy, the plug-in that found it where that is not the one that was asked: "/pipeline".
  explicit Infeasible(const std::string& what, std::string key = "") : runtime_error(what), key_(std::move(key)) {}
  const std::string& key() const { return key_; }

 private:
  std::string key_;
};

}  // namespace dflop
