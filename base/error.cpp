// How a complaint is worded, in one place: "FILE:/json/pointer: what".
#include "base/error.hpp"

#include <cstdio>
#include <cstdlib>
#include <utility>

namespace dflop {
namespace {

std::string Located(const std::string& file, const std::string& pointer, const std::string& what) {
  if (file.empty()) return what;
  return file + ":" + (pointer.empty() ? "" : pointer + ":") + " " + what;
}

}  // namespace

InputError::InputError(std::string file, std::string pointer, const std::string& what)
    : std::runtime_error(Located(file, pointer, what)), file_(std::move(file)), pointer_(std::move(pointer)) {}

void CheckFailed(const char* condition, const char* file, int line, const std::string& what) {
  std::fprintf(stderr, "%s:%d: internal check failed: %s (%s)\n", file, line, what.c_str(), condition);
  std::abort();
}

}  // namespace dflop
