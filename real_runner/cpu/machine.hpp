// What /proc and /sys tell of this machine.
#pragma once

#include <filesystem>
#include <string>

namespace dflop::cpu {

/// The value after "key   :" or "key:" in a /proc file, "" when there is none.
std::string ProcValue(const char* path, const std::string& key);
std::string FirstLine(const std::filesystem::path& path);
/// The number that a text begins with.
double NumberOrZero(const std::string& text);

/// The largest cache of the first core.
double LastLevelCacheBytes();
/// What one program may take of the memory that the kernel calls available, within the limit of a container.
double AvailableBytes();

/// "1.25 GB".
std::string Gigabytes(double bytes);

}  // namespace dflop::cpu
