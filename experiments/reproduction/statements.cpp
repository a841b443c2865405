// Strict, as every file here: a misspelt bound would be a clause that always holds.
#include "experiments/reproduction/statements.hpp"

#include <set>
#include <utility>

#include "base/json_reader.hpp"

namespace dflop {
namespace {

constexpr double kMostBound = 1e15;

Clause ReadClause(const JsonReader& json) {
  json.AllowOnly({"says", "quantity", "least", "most", "unit", "if_missed"});
  Clause clause;
  clause.says = json.At("says").String();
  clause.quantity = json.At("quantity").String();
  clause.least = json.NumberOr("least", clause.least, -kMostBound, kMostBound);
  clause.most = json.NumberOr("most", clause.most, -kMostBound, kMostBound);
  if (!json.Has("least") && !json.Has("most")) json.Fail("has neither \"least\" nor \"most\", one bound is wanted");
  if (clause.least > clause.most) json.At("most").Fail("is below \"least\"");
  if (json.Has("unit") && !json.At("unit").json().is<std::string>()) json.At("unit").Fail("is no text");
  if (json.FindGiven("unit")) clause.unit = json.At("unit").OneOf({"x", "%", "h", "s"});
  if (json.FindGiven("if_missed")) clause.if_missed = json.At("if_missed").String();
  return clause;
}

bool IsFileName(const std::string& id) {
  return id.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") == std::string::npos;
}

Statement ReadStatement(const JsonReader& json) {
  json.AllowOnly({"figure", "title", "statement", "source", "set_up", "clauses"});
  Statement statement;
  statement.figure = json.At("figure").String();
  if (!IsFileName(statement.figure)) json.At("figure").Fail("names files: a–z, 0–9 and - only");
  statement.title = json.At("title").String();
  statement.statement = json.At("statement").String();
  statement.source = json.At("source").String();
  statement.set_up = json.At("set_up").String();
  for (const JsonReader& clause : json.At("clauses").Elements()) statement.clauses.push_back(ReadClause(clause));
  if (statement.clauses.empty()) json.At("clauses").Fail("is empty: a statement without a bound cannot be judged");
  return statement;
}

}  // namespace

std::string Statement::label() const {
  for (const auto& [prefix, word] : {std::pair{"fig", "Fig. "}, std::pair{"table", "Table "}}) {
    const std::size_t digits = figure.find_first_of("123456789");
    if (figure.starts_with(prefix) && digits != std::string::npos) return word + figure.substr(digits);
  }
  return figure;
}

Statements ReadStatements(const std::string& path) {
  const Json document = ReadJsonFile(path);
  const JsonReader root(document, path);
  root.CheckSchema("dflop/statements/1", true);
  root.AllowOnly({"schema", "source", "figures"});
  Statements statements;
  statements.source = root.At("source").String();
  std::set<std::string> ids;
  if (root.At("figures").Size() == 0) root.At("figures").Fail("is empty");
  for (const JsonReader& figure : root.At("figures").Elements()) {
    statements.figures.push_back(ReadStatement(figure));
    if (!ids.insert(statements.figures.back().figure).second) figure.At("figure").Fail("stands twice");
  }
  return statements;
}

}  // namespace dflop
