// Read block by block and not by size, which /proc and others do not tell; errors of the disk come out at the flush.
#include "base/file.hpp"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

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

// `name` is what a complaint calls the file.
void WriteInto(const std::string& path, std::string_view content, const std::string& name) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out.write(content.data(), static_cast<std::streamsize>(content.size()));
  out.flush();
  if (!out) throw RunError(name + ": cannot be written: " + std::strerror(errno));
}

}  // namespace

void WriteFile(const std::string& path, std::string_view content) {
  std::error_code unknown;
  const std::filesystem::file_status status = std::filesystem::status(path, unknown);
  const bool special = std::filesystem::exists(status) && !std::filesystem::is_regular_file(status);
  // A pipe or a device (/dev/stdout) is written to; a rename would put a plain file in its place.
  if (special && !std::filesystem::is_directory(status)) return WriteInto(path, content, path);
  const std::filesystem::path target(path);
  std::error_code error;
  if (target.has_parent_path()) std::filesystem::create_directories(target.parent_path(), error);
  if (error) throw RunError(path + ": cannot create its folder: " + error.message());
  const std::string temporary = path + kTemporary + std::to_string(getpid());
  try {
    WriteInto(temporary, content, path);
  } catch (const RunError&) {
    std::filesystem::remove(temporary, error);
    throw;
  }
  std::filesystem::rename(temporary, target, error);
  if (error) {
    const std::string reason = error.message();
    std::filesystem::remove(temporary, error);
    throw RunError(path + ": cannot be put in place: " + reason);
  }
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
