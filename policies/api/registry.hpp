// How a plug-in makes itself known: one static Registration<Interface> in its own .cpp, nothing elsewhere.
//
//   const Registration<BatchScheduler> kRandom{{"random", "samples dealt at random in equal counts", {}},
//       [](const Parameters&) { return std::make_unique<RandomBatcher>(); }};
//
// The policies are an OBJECT library, so that no linker drops a file that nobody calls by name.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/json_reader.hpp"
#include "policies/api/parameter.hpp"

namespace dflop {

struct PluginInfo {
  std::string name;
  std::string summary;                ///< one line with its source
  std::vector<Parameter> parameters;  ///< beside "name"
};

template <typename Interface>
class Registry {
 public:
  using Factory = std::function<std::unique_ptr<Interface>(const Parameters& parameters)>;

  static Registry& Instance() {
    static Registry registry;
    return registry;
  }
  void Add(PluginInfo info, Factory factory) {
    const std::string name = info.name;
    const bool added = entries_.emplace(name, Entry{std::move(info), std::move(factory)}).second;
    DFLOP_CHECK(added, "two plug-ins are called " + name);
  }
  /// From "name" or {"name": …, parameters…}; an unknown name or parameter is an InputError at its place.
  std::unique_ptr<Interface> Make(const JsonReader& spec) const {
    const JsonReader name = spec.IsString() ? spec : spec.At("name");
    const Entry& entry = entries_.at(name.OneOf(Names()));
    if (spec.IsObject()) return entry.factory(Parameters(entry.info.parameters, spec));
    static const Json kNoParameters = Json::EmptyObject();
    return entry.factory(Parameters(entry.info.parameters, JsonReader(kNoParameters, spec.file(), spec.pointer())));
  }
  std::vector<std::string> Names() const {
    std::vector<std::string> names;
    for (const auto& [name, entry] : entries_) names.push_back(name);
    return names;
  }
  std::vector<PluginInfo> List() const {
    std::vector<PluginInfo> infos;
    for (const auto& [name, entry] : entries_) infos.push_back(entry.info);
    return infos;
  }

 private:
  struct Entry {
    PluginInfo info;
    Factory factory;
  };
  std::map<std::string, Entry> entries_;
};

template <typename Interface>
struct Registration {
  Registration(PluginInfo info, typename Registry<Interface>::Factory factory) {
    Registry<Interface>::Instance().Add(std::move(info), std::move(factory));
  }
};

}  // namespace dflop
