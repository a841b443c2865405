// Read block by block and not by size, which /proc and others do not tell; errors of the disk come out at the flush.
#include "base/file.hpp"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <utility>

#include "base/error.hpp"

namespace dflop {

std::string ReadFile(const std::string& path) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) throw InputError(path, "", "is a folder, a file is wanted");
  // A device or a pipe may never end.
  if (std::filesystem::exists(path, error) && !std::filesystem::is_regular_file(path, error)) {
    throw InputError(path, "", "is a device, a pipe or a socket, a plain file is wanted");
  }
  std::ifstream in(path, std::ios::binary);
  if (!in) throw InputError(path, "", std::string("cannot be read: ") + std::strerror(errno));
  std::string content;
  std::error_code no_size;
  if (const auto size = std::filesystem::file_size(path, no_size); !no_size) content.reserve(size);
  std::array<char, 1 << 16> block;
  while (in.read(block.data(), block.size()), in.gcount() > 0) {
    content.append(block.data(), static_cast<std::size_t>(in.gcount()));
  }
  if (in.bad()) throw InputError(path, "", "cannot be read to its end");
  return content;
}

namespace {

constexpr char kTemporary[] = ".tmp";  // and the process id

/// A pipe or a device (/dev/stdout) is written to; a rename would put a plain file in its place.
bool IsWrittenInPlace(const std::string& path) {
  std::error_code unknown;
  const std::filesystem::file_status status = std::filesystem::status(path, unknown);
  return std::filesystem::exists(status) && !std::filesystem::is_regular_file(status) &&
         !std::filesystem::is_directory(status);
}

}  // namespace

FileWriter::FileWriter(std::string path) : path_(std::move(path)), temporary_(path_) {
  if (!IsWrittenInPlace(path_)) {
    const std::filesystem::path folder = std::filesystem::path(path_).parent_path();
    std::error_code error;
    if (!folder.empty()) std::filesystem::create_directories(folder, error);
    if (error) throw RunError(path_ + ": cannot create its folder: " + error.message());
    temporary_ += kTemporary + std::to_string(getpid());
  }
  file_.reset(std::fopen(temporary_.c_str(), "wb"));
  if (!file_) Fail("cannot be written");
}

FileWriter::~FileWriter() {
  if (!file_) return;
  file_.reset();
  std::error_code error;
  if (temporary_ != path_) std::filesystem::remove(temporary_, error);
}

void FileWriter::Fail(const char* what) const { throw RunError(path_ + ": " + what + ": " + std::strerror(errno)); }

void FileWriter::Append(std::string_view piece) {
  if (std::fwrite(piece.data(), 1, piece.size(), file_.get()) != piece.size()) Fail("cannot be written");
}

void FileWriter::Close() {
  if (std::fflush(file_.get()) != 0) Fail("cannot be written");
  std::error_code error;
  if (temporary_ != path_) std::filesystem::rename(temporary_, path_, error);
  if (error) throw RunError(path_ + ": cannot be put in place: " + error.message());
  file_.reset();
}

void WriteFile(const std::string& path, std::string_view content) {
  FileWriter file(path);
  file.Append(content);
  file.Close();
}

std::string FileOfTemporary(const std::string& name) {
  const std::size_t mark = name.rfind(kTemporary);
  const std::size_t digits = mark == std::string::npos ? mark : mark + sizeof(kTemporary) - 1;
  if (mark == std::string::npos || digits == name.size()) return "";
  return name.find_first_not_of("0123456789", digits) == std::string::npos ? name.substr(0, mark) : "";
}

void CheckFolderOf(const std::string& path) {
  const std::filesystem::path folder = std::filesystem::path(path).parent_path();
  std::error_code error;
  if (folder.empty() || std::filesystem::is_directory(folder, error)) return;
  throw InputError(path, "", "cannot be written: there is no folder " + folder.string());
}

}  // namespace dflop
