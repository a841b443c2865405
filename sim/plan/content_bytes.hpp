// Values as bytes for the hashes of decisions and timelines: an encoding that no rebuilding of the program changes.
//
//   count   a non-negative integer to base 128, lowest digit first, every byte but the last plus 128 (LEB128)
//   text    its length as a count, then its bytes
//   time    seconds as an IEEE double by its bits, lowest byte first; −0 is 0
//   fields  of a record, in alphabetical order: the name as a text, then the value, and only where the value is not the
//           default; an empty text ends them
//
// A record that gets a new field therefore keeps its bytes wherever the field has its default.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/units.hpp"
#include "sim/plan/device_order.hpp"

namespace dflop {

class ContentBytes {
 public:
  void Count(std::int64_t value);
  void Text(std::string_view text);
  void Time(Seconds time);
  /// Nothing where `value` is `by_default`.
  void Field(std::string_view name, std::int64_t value, std::int64_t by_default);
  void EndFields() { Text(""); }

  /// Bytes that are content already.
  void Raw(std::string_view bytes) { bytes_ += bytes; }

  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

/// What a kind of operation is called in hashes, for ever; timeline files have names of their own.
std::string_view ContentName(OpKind kind);

}  // namespace dflop
