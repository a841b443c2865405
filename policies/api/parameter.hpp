// Parameters of plug-ins, declared once: what is read, what is checked, what `dflop list` shows.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/json_reader.hpp"

namespace dflop {

struct Parameter {
  struct Integer {
    std::int64_t least;
    std::int64_t most;
  };
  struct Number {
    double least;
    double most;
  };
  struct Flag {};
  struct Word {
    std::vector<std::string> words;
  };
  /// What the plug-in reads by itself: a file, an object, another plug-in.
  struct Other {
    std::string what;
  };

  std::string name;
  std::variant<Integer, Number, Flag, Word, Other> type;
  Json standard{};     ///< without it; null: nothing stands in its place, and `help` says what that means
  std::string unit{};  ///< "" for a plain number
  std::string help{};  ///< one line
};

/// {name, type, least, most, words, unit, default, help}, of these what applies.
Json ToJson(const Parameter& parameter);
/// The same in a line: "chunks  2 … 128 (default 2): chunks of layers on a device".
std::string InWords(const Parameter& parameter);

/// What an experiment gives for them. Reading one as what it was not declared is a programmer's error.
class Parameters {
 public:
  /// `given`: an object with "name". InputError at its place for a key that is no parameter, or a value that a
  /// parameter cannot have.
  Parameters(const std::vector<Parameter>& declared, const JsonReader& given);

  /// The value given, else the standard.
  std::int64_t Int(std::string_view name) const;
  double Number(std::string_view name) const;
  bool Flag(std::string_view name) const;
  std::string Word(std::string_view name) const;
  /// Only what is given.
  bool Given(std::string_view name) const { return given_.Has(name); }
  std::optional<JsonReader> Find(std::string_view name) const { return given_.Find(name); }
  /// All of it, for plug-ins whose parameters hang together.
  const JsonReader& json() const { return given_; }

 private:
  const Parameter& Declared(std::string_view name) const;
  template <typename Type>
  const Type& DeclaredAs(std::string_view name) const;

  const std::vector<Parameter>& declared_;
  JsonReader given_;
};

}  // namespace dflop
