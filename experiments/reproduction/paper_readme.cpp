// The same verdicts where a repository is read, and for programs.
#include "experiments/reproduction/paper_page.hpp"

namespace dflop {
namespace {

/// A cell must hold no bar of its own.
std::string Cell(std::string text) {
  for (std::size_t at = text.find('|'); at != std::string::npos; at = text.find('|', at + 2)) text.insert(at, "\\");
  return text;
}

std::string FigureBlock(const JudgedFigure& figure) {
  const Statement& statement = figure.judged.statement;
  std::string text = "\n## " + statement.label() + ": " + statement.title + " — " + figure.judged.verdict() + "\n\n> " +
                     statement.statement + " (" + statement.source + ")\n\n" + statement.set_up + "\n\n";
  for (const NamedFigure& panel : figure.figure.panels) {
    text.append("![").append(statement.title).append("](").append(panel.name).append(".svg)\n");
  }
  text += "\n| clause | bound | here | distance | |\n|---|---|---|---|---|\n";
  std::string reasons;
  for (const JudgedClause& clause : figure.judged.clauses) {
    text += "| " + Cell(clause.clause.says) + " | " + BoundText(clause.clause) + " | " +
            ValueText(clause.clause, clause.value) + " | " + DistanceText(clause) + " | " +
            (clause.holds ? "holds" : "**fails**") + " |\n";
    const std::string& reason = clause.clause.if_missed;
    if (!clause.holds && !reason.empty() && reasons.find(reason) == std::string::npos) {
      reasons.append("\nWhy \"").append(clause.clause.says).append("\" fails: ").append(reason).append("\n");
    }
  }
  text += reasons;
  for (const std::string& note : figure.figure.notes) text.append("\n").append(note).append("\n");
  return text;
}

}  // namespace

std::string PaperReadme(const std::string& source, const std::vector<JudgedFigure>& figures,
                        const std::string& command) {
  std::string text = "# What holds of " + source + "\n\nMade by `" + command +
                     "`; nothing here is typed but the statements, their bounds and, where one fails, why "
                     "(`statements.json`, committed before the run shown). **" +
                     Tally(figures) + ".** [index.html](index.html) is the same with what shows on hover.\n\n";
  if (const std::string notice = QuickNotice(figures); !notice.empty()) text += "> " + notice + "\n\n";
  text += "| figure | stated | here | fails |\n|---|---|---|---|\n";
  for (const JudgedFigure& figure : figures) {
    text += "| [" + figure.judged.statement.label() + "](" + figure.judged.statement.figure + ".csv) | " +
            Cell(figure.judged.statement.statement) + " | " + figure.judged.verdict() + " | " +
            Cell(figure.judged.failing()) + " |\n";
  }
  for (const JudgedFigure& figure : figures) text += FigureBlock(figure);
  return text;
}

Json VerdictsJson(const std::string& source, const std::vector<JudgedFigure>& figures) {
  Json json;
  json["schema"] = "dflop/verdicts/1";
  json["source"] = source;
  Json& list = json["figures"] = Json::EmptyArray();
  for (const JudgedFigure& figure : figures) {
    Json entry;
    entry["figure"] = figure.judged.statement.figure;
    entry["verdict"] = figure.judged.verdict();
    Json& clauses = entry["clauses"] = Json::EmptyArray();
    for (const JudgedClause& judged : figure.judged.clauses) {
      Json clause;
      clause["quantity"] = judged.clause.quantity;
      clause["value"] = judged.value.mean;
      if (judged.value.half_width) clause["half_width"] = *judged.value.half_width;
      clause["holds"] = judged.holds;
      clause["distance"] = judged.distance;
      clauses.push_back(std::move(clause));
    }
    list.push_back(std::move(entry));
  }
  return json;
}

}  // namespace dflop
