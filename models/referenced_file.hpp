// {"file": "path"}: a document that another document names. Paths are relative to the folder of the file they stand in.
#pragma once

#include <string>

#include "base/json_reader.hpp"

namespace dflop {

class ReferencedFile {
 public:
  /// `path` is the reader of the string. InputError at that place when there is no such file, and inside the file when
  /// it is no JSON or its "schema" is another.
  ReferencedFile(const JsonReader& path, const std::string& schema);
  ReferencedFile(const ReferencedFile&) = delete;
  ReferencedFile& operator=(const ReferencedFile&) = delete;

  /// Valid while this object lives.
  JsonReader reader() const { return {document_, path_}; }

 private:
  std::string path_;
  Json document_;
};

}  // namespace dflop
