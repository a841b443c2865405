// Files that are either whole or not there: written under a temporary name, then renamed.
#pragma once

#include <string>
#include <string_view>

namespace dflop {

/// The whole content; InputError when the file cannot be read.
std::string ReadFile(const std::string& path);

/// Creates missing folders, writes beside the target, renames. RunError (naming the path) when the disk says no.
void WriteFile(const std::string& path, std::string_view content);

/// The name of the file that WriteFile calls `name` while it writes; "" where it is none of those.
std::string FileOfTemporary(const std::string& name);

/// InputError when the folder that a file is to stand in is not there: a misspelt path makes no folders.
void CheckFolderOf(const std::string& path);

}  // namespace dflop
