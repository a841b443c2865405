// A JSON document that is written as it is made: a long array of it never stands in memory as a tree.
#pragma once

#include <string>
#include <string_view>

#include "base/file.hpp"
#include "base/json.hpp"

namespace dflop {

/// One object. Its members come in turn, each whole or as an array whose elements come in turn; the text is that of
/// WriteJsonFile without indent. The file appears when it is closed. RunError (naming the path) when the disk says no.
class JsonFile {
 public:
  explicit JsonFile(const std::string& path);

  void Member(std::string_view key, const Json& value);
  void OpenArray(std::string_view key);
  void Element(const Json& value);
  void CloseArray();
  void Close();

 private:
  void Key(std::string_view key);
  FileWriter file_;
  bool first_member_ = true;
  bool first_element_ = true;
};

}  // namespace dflop
