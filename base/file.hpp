// Files that are either whole or not there: written under a temporary name, then renamed.
#pragma once

#include <cstdio>
#include <memory>
#include <string>
#include <string_view>

namespace dflop {

/// The whole content; InputError when the file cannot be read.
std::string ReadFile(const std::string& path);

/// Creates missing folders, writes beside the target, renames. RunError (naming the path) when the disk says no.
void WriteFile(const std::string& path, std::string_view content);

/// The same for content that is made piece by piece. What is never closed leaves nothing behind.
class FileWriter {
 public:
  explicit FileWriter(std::string path);
  ~FileWriter();
  FileWriter(const FileWriter&) = delete;
  FileWriter& operator=(const FileWriter&) = delete;

  void Append(std::string_view piece);
  void Close();

 private:
  struct CloseFile {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  [[noreturn]] void Fail(const char* what) const;

  std::string path_;
  std::string temporary_;  ///< what is written to; the file itself where it is a pipe or a device
  std::unique_ptr<std::FILE, CloseFile> file_;
};

/// The name of the file that WriteFile calls `name` while it writes; "" where it is none of those.
std::string FileOfTemporary(const std::string& name);

/// InputError when the folder that a file is to stand in is not there: a misspelt path makes no folders.
void CheckFolderOf(const std::string& path);

}  // namespace dflop
