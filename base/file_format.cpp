// By the first bytes (the signatures of the formats people have instead of a text) and, for the rest, by a zero byte.
#include "base/file_format.hpp"

#include <algorithm>
#include <array>

#include "base/error.hpp"

namespace dflop {
namespace {

struct Signature {
  std::string_view begin;
  std::string_view what;
};
constexpr std::array<Signature, 14> kSignatures = {{
    {"PAR1", "a Parquet file: export its rows as JSON lines or CSV first"},
    {"ARROW1", "an Arrow file: export its rows as JSON lines or CSV first"},
    {"Obj\x01", "an Avro file: export its rows as JSON lines or CSV first"},
    {"\x89HDF\r\n", "an HDF5 file: export its rows as JSON lines or CSV first"},
    {"SQLite format 3", "an SQLite database: export its rows as JSON lines or CSV first"},
    {"\x1f\x8b", "compressed by gzip: unpack it first"},
    {"\x28\xb5\x2f\xfd", "compressed by zstd: unpack it first"},
    {"\xfd\x37zXZ", "compressed by xz: unpack it first"},
    {"BZh", "compressed by bzip2: unpack it first"},
    {"PK\x03\x04", "a zip archive: unpack it first"},
    {"\x80\x04\x95", "a Python pickle: export its records as JSON lines first"},
    {"\xff\xfe", "encoded in UTF-16: convert it to UTF-8 first"},
    {"\xfe\xff", "encoded in UTF-16: convert it to UTF-8 first"},
    {"version https://git-lfs", "a Git LFS pointer: fetch the file that it stands for"},
}};

}  // namespace

void RefuseForeignFormats(std::string_view text, const std::string& file) {
  for (const Signature& signature : kSignatures) {
    if (text.starts_with(signature.begin)) throw InputError(file, "", "is " + std::string(signature.what));
  }
  if (text.substr(0, std::min<std::size_t>(text.size(), 512)).find('\0') != std::string_view::npos) {
    throw InputError(file, "", "is a binary file, a text is wanted");
  }
}

std::string_view WithoutByteOrderMark(std::string_view text) {
  constexpr std::string_view kMark = "\xef\xbb\xbf";
  return text.starts_with(kMark) ? text.substr(kMark.size()) : text;
}

}  // namespace dflop
