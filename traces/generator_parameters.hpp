// The parameters of a sample generator, declared where they are used: each call names a parameter, its default and its
// range, and gives the value. Without a JSON object every value is the default; that is also how the list of parameters
// in `SampleGenerators` comes about.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/json_reader.hpp"
#include "base/random.hpp"

namespace dflop {

class GeneratorParameters {
 public:
  enum class Purpose { kUse, kListing };
  /// All defaults. When they are only listed, Require is silent: `fixed` has no meaning without parameters.
  explicit GeneratorParameters(Purpose purpose) : listing_(purpose == Purpose::kListing) {}
  explicit GeneratorParameters(const JsonReader& json) : json_(json) {}

  double Number(const std::string& name, double fallback, double min, double max);
  int Int(const std::string& name, int fallback, int min, int max);
  /// Whether the user gave the parameter.
  bool Given(const std::string& name) const { return json_ && json_->Has(name); }
  /// Complains about the values together unless the condition holds.
  void Require(bool condition, const std::string& what) const;
  /// Fails on a key that was not declared; call it when all are.
  void AllowOnlyDeclared() const;

  const std::vector<std::pair<std::string, double>>& declared() const { return declared_; }
  /// "a 1, b 2": the values in use.
  std::string Describe() const;

 private:
  std::optional<JsonReader> json_;
  bool listing_ = false;
  std::vector<std::pair<std::string, double>> declared_;  // with defaults
  std::vector<double> values_;
};

}  // namespace dflop
