// Commas stand before everything but the first.
#include "base/json_file.hpp"

namespace dflop {

JsonFile::JsonFile(const std::string& path) : file_(path) { file_.Append("{"); }

void JsonFile::Key(std::string_view key) {
  if (!first_member_) file_.Append(",");
  first_member_ = false;
  file_.Append(JsonQuote(key) + ":");
}

void JsonFile::Member(std::string_view key, const Json& value) {
  Key(key);
  file_.Append(value.Dump());
}

void JsonFile::OpenArray(std::string_view key) {
  Key(key);
  file_.Append("[");
  first_element_ = true;
}

void JsonFile::Element(const Json& value) {
  if (!first_element_) file_.Append(",");
  first_element_ = false;
  file_.Append(value.Dump());
}

void JsonFile::CloseArray() { file_.Append("]"); }

void JsonFile::Close() {
  file_.Append("}\n");
  file_.Close();
}

}  // namespace dflop
