// Reading and declaring are one call, so the list that `dflop list` shows cannot differ from what is read.
#include "traces/generator_parameters.hpp"

#include "base/error.hpp"

namespace dflop {

double GeneratorParameters::Number(const std::string& name, double fallback, double min, double max) {
  declared_.emplace_back(name, fallback);
  values_.push_back(json_ ? json_->NumberOr(name, fallback, min, max) : fallback);
  return values_.back();
}

int GeneratorParameters::Int(const std::string& name, int fallback, int min, int max) {
  declared_.emplace_back(name, fallback);
  const int value = json_ ? static_cast<int>(json_->IntOr(name, fallback, min, max)) : fallback;
  values_.push_back(value);
  return value;
}

void GeneratorParameters::Require(bool condition, const std::string& what) const {
  if (condition || listing_) return;
  if (json_) json_->Fail(what);
  throw InputError(what);
}

void GeneratorParameters::AllowOnlyDeclared() const {
  if (!json_) return;
  std::vector<std::string> names{"name"};
  for (const auto& parameter : declared_) names.push_back(parameter.first);
  json_->AllowOnly(names);
}

std::string GeneratorParameters::Describe() const {
  std::string text;
  for (std::size_t i = 0; i < declared_.size(); ++i) {
    std::string value = ShortestNumber(values_[i]);
    if (value.ends_with(".0")) value.resize(value.size() - 2);
    text += text.empty() ? "" : ", ";
    text += declared_[i].first;
    text += " " + value;
  }
  return text;
}

}  // namespace dflop
