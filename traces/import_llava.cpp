// Training sets of conversations: files of records (traces/conversation_record.hpp), whatever holds them.
//
// A file is an array of records, arrays one after another, records one per line or pretty-printed, or an object around
// one array ({"data": […]}).
#include <optional>
#include <string_view>

#include "base/file.hpp"
#include "base/json_sequence.hpp"
#include "traces/conversation_record.hpp"
#include "traces/import_rules.hpp"

namespace dflop {
namespace {

class ConversationFile {
 public:
  ConversationFile(const std::string& path, bool lenient, SampleSet& set)
      : path_(path), lenient_(lenient), set_(set), before_(set.samples.size()) {}

  void Read() {
    const std::string text = ReadFile(path_);
    ForEachJsonValue(text, path_, [&](std::string_view value, std::size_t line) {
      const std::string place = path_ + ":" + std::to_string(line);
      value.front() == '[' ? TakeArray(value, first_ ? path_ : place) : TakeObject(value, place);
      first_ = false;
    });
    if (first_) throw InputError(path_, "", "is empty");
    if (set_.samples.size() == before_) throw InputError(path_, "", "holds no records");
    AddOrigin(path_, set_);
  }

 private:
  /// One record of the array after the other; the words of all of them are never in memory as a tree.
  void TakeArray(std::string_view text, const std::string& place) {
    ParseJson(text, place, {"", [&](const Json& record, const std::string& pointer) {
                              TakeRecord(JsonReader(record, place, pointer));
                            }});
  }

  void TakeObject(std::string_view text, const std::string& place) {
    const Json document = ParseJson(text, place);
    const JsonReader object(document, place);
    const std::optional<JsonReader> inside = IsConversation(object) ? std::nullopt : RecordsInside(object);
    if (!inside) return TakeRecord(object);
    for (const JsonReader& record : inside->Elements()) TakeRecord(record);
  }

  /// The one member of a wrapper that is an array of objects.
  static std::optional<JsonReader> RecordsInside(const JsonReader& object) {
    std::optional<JsonReader> found;
    for (const std::string& key : object.Keys()) {
      const JsonReader member = object.At(key);
      if (!member.IsArray() || member.Size() == 0 || !member.Element(0).IsObject()) continue;
      if (found) {
        object.Fail("holds several lists, " + found->pointer() + " and " + member.pointer() +
                    ": which are the records? Give a file with those alone");
      }
      found = member;
    }
    return found;
  }

  void TakeRecord(const JsonReader& record) {
    if (!record.IsObject()) record.Fail(std::string("is ") + record.json().kind() + ", a record (an object) is wanted");
    ConversationSample read = ReadConversation(record);
    if (!read.mismatch.empty() && !lenient_) {
      record.Fail(read.mismatch + " (--lenient takes such records as their media say, and counts them)");
    }
    set_.mismatched += read.mismatch.empty() ? 0 : 1;
    set_.estimated_texts += read.estimated ? 1 : 0;
    set_.samples.push_back(std::move(read.sample));
  }

  const std::string& path_;
  bool lenient_;
  SampleSet& set_;
  std::size_t before_;
  bool first_ = true;
};

}  // namespace

SampleSet ImportLlava(const std::vector<std::string>& paths, bool lenient) {
  RequirePaths(paths);
  SampleSet set;
  for (const std::string& path : paths) ConversationFile(path, lenient, set).Read();
  return set;
}

}  // namespace dflop
