// SHA-256 (FIPS 180-4): names inputs and decisions in results. Own code, because the runner must build on a machine
// without any Debian package; checked against the standard's vectors.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace dflop {

class Sha256 {
 public:
  Sha256();
  void Add(std::string_view bytes);
  void Add(double value);        ///< by its bits, so that equal hashes mean equal to the last bit
  void Add(std::int64_t value);  ///< little-endian
  /// Lower-case hexadecimal digest; the object is spent afterwards.
  std::string Hex();

 private:
  void Block(const unsigned char* data);
  void PlainBlock(const unsigned char* data);
  std::array<std::uint32_t, 8> state_;
  std::array<unsigned char, 64> buffer_{};
  std::uint64_t length_ = 0;
};

std::string Sha256Hex(std::string_view bytes);

}  // namespace dflop
