// One visit of the declared type for each use: checking, JSON, a line of text.
#include "policies/api/parameter.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "base/text.hpp"

namespace dflop {
namespace {

template <typename... Cases>
struct ByType : Cases... {
  using Cases::operator()...;
};
template <typename... Cases>
ByType(Cases...) -> ByType<Cases...>;

void Check(const Parameter& parameter, const JsonReader& value) {
  std::visit(ByType{[&](const Parameter::Integer& type) { value.Int(type.least, type.most); },
                    [&](const Parameter::Number& type) { value.Number(type.least, type.most); },
                    [&](const Parameter::Flag&) { value.Bool(); },
                    [&](const Parameter::Word& type) { value.OneOf(type.words); }, [](const Parameter::Other&) {}},
             parameter.type);
}

std::string Joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : "|") + word;
  return text;
}

}  // namespace

Json ToJson(const Parameter& parameter) {
  Json json;
  json["name"] = parameter.name;
  std::visit(ByType{[&](const Parameter::Integer& type) {
                      json["type"] = "integer";
                      json["least"] = type.least;
                      json["most"] = type.most;
                    },
                    [&](const Parameter::Number& type) {
                      json["type"] = "number";
                      json["least"] = type.least;
                      json["most"] = type.most;
                    },
                    [&](const Parameter::Flag&) { json["type"] = "boolean"; },
                    [&](const Parameter::Word& type) {
                      json["type"] = "string";
                      json["words"] = Json::ArrayOf(type.words);
                    },
                    [&](const Parameter::Other& type) { json["type"] = type.what; }},
             parameter.type);
  if (!parameter.unit.empty()) json["unit"] = parameter.unit;
  if (!parameter.standard.is_null()) json["default"] = parameter.standard;
  json["help"] = parameter.help;
  return json;
}

std::string InWords(const Parameter& parameter) {
  const std::string values = std::visit(
      ByType{
          [](const Parameter::Integer& type) { return std::to_string(type.least) + " … " + std::to_string(type.most); },
          [](const Parameter::Number& type) { return Format("%g … %g", type.least, type.most); },
          [](const Parameter::Flag&) { return std::string("true|false"); },
          [](const Parameter::Word& type) { return Joined(type.words); },
          [](const Parameter::Other& type) { return type.what; }},
      parameter.type);
  const std::string unit = parameter.unit.empty() ? "" : " " + parameter.unit;
  const std::string standard = parameter.standard.is_null() ? "" : ", default " + parameter.standard.Dump();
  return parameter.name + "  " + values + unit + standard + ": " + parameter.help;
}

Parameters::Parameters(const std::vector<Parameter>& declared, const JsonReader& given)
    : declared_(declared), given_(given) {
  std::vector<std::string> allowed = {"name"};
  for (const Parameter& parameter : declared) allowed.push_back(parameter.name);
  given.AllowOnly(allowed);
  for (const Parameter& parameter : declared) {
    if (const auto value = given.Find(parameter.name)) Check(parameter, *value);
  }
}

const Parameter& Parameters::Declared(std::string_view name) const {
  const auto found =
      std::find_if(declared_.begin(), declared_.end(), [&](const Parameter& p) { return p.name == name; });
  DFLOP_CHECK(found != declared_.end(), "a plug-in reads a parameter that it did not declare: " + std::string(name));
  return *found;
}

template <typename Type>
const Type& Parameters::DeclaredAs(std::string_view name) const {
  const Type* type = std::get_if<Type>(&Declared(name).type);
  DFLOP_CHECK(type != nullptr, "a plug-in reads a parameter as another type than declared: " + std::string(name));
  return *type;
}

std::int64_t Parameters::Int(std::string_view name) const {
  const auto& [least, most] = DeclaredAs<Parameter::Integer>(name);
  const auto given = given_.Find(name);
  return given ? given->Int(least, most) : Declared(name).standard.as<std::int64_t>();
}

double Parameters::Number(std::string_view name) const {
  const auto& [least, most] = DeclaredAs<Parameter::Number>(name);
  const auto given = given_.Find(name);
  return given ? given->Number(least, most) : Declared(name).standard.number();
}

bool Parameters::Flag(std::string_view name) const {
  DeclaredAs<Parameter::Flag>(name);
  const auto given = given_.Find(name);
  return given ? given->Bool() : Declared(name).standard.as<bool>();
}

std::string Parameters::Word(std::string_view name) const {
  const std::vector<std::string>& words = DeclaredAs<Parameter::Word>(name).words;
  const auto given = given_.Find(name);
  return given ? given->OneOf(words) : Declared(name).standard.as<std::string>();
}

}  // namespace dflop
