// Keeps a second run out of a folder of results while the first is at work there.
#pragma once

#include <string>

namespace dflop {

/// Held on the folder itself, so no file is left behind, and the system lets go of it however the process ends. Where
/// the file system knows no such locks there is none.
class FolderLock {
 public:
  /// Makes the folder if need be; RunError when it cannot, InputError when another run holds it.
  explicit FolderLock(const std::string& folder);
  ~FolderLock();
  /// Whether somebody holds it now.
  static bool IsHeld(const std::string& folder);
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  int descriptor_ = -1;
};

}  // namespace dflop
