// What an action complains about, for tests of bad input.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "base/error.hpp"

namespace dflop {

/// "pointer: what" of the InputError that `action` throws, or "" when it throws none.
template <typename Action>
std::string ErrorOf(Action action) {
  try {
    action();
  } catch (const InputError& error) {
    return error.pointer() + ": " + error.what();
  }
  return "";
}

inline void ExpectError(const std::string& error, const std::string& part) {
  EXPECT_NE(error.find(part), std::string::npos) << (error.empty() ? "no error" : error);
}

}  // namespace dflop
