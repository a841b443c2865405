// Verdict first, then one section a figure: what is stated, what is seen, what was measured against which bound.
#include "experiments/reproduction/paper_page.hpp"

#include <algorithm>
#include <span>

#include "base/embedded_file.hpp"
#include "base/error.hpp"
#include "experiments/report/report.hpp"

namespace dflop {

std::span<const EmbeddedFile> PaperAssets();  // experiments/reproduction/paper.css, embedded by CMake

namespace {

std::string PaperStyle() {
  for (const EmbeddedFile& asset : PaperAssets()) {
    if (asset.path == std::string_view("paper.css")) return std::string(asset.content);
  }
  CheckFailed("paper.css is embedded", __FILE__, __LINE__, "the style sheet of the paper's page");
}

/// The class that colours a verdict; it is always written beside its colour.
std::string VerdictClass(const JudgedStatement& judged) {
  if (judged.held == judged.clauses.size()) return "holds";
  return judged.held == 0 ? "fails" : "partly";
}

std::string VerdictBadge(const JudgedStatement& judged) {
  return "<span class=\"verdict " + VerdictClass(judged) + "\">" + judged.verdict() + "</span>";
}

std::string IndexRow(const JudgedFigure& figure) {
  const JudgedStatement& judged = figure.judged;
  const std::string failing = judged.failing();
  return "<tr><td><a href=\"#" + judged.statement.figure + "\">" + EscapeXml(judged.statement.label()) +
         "</a></td><td>" + EscapeXml(judged.statement.statement) + "</td><td>" + VerdictBadge(judged) +
         (failing.empty() ? "" : "<small>" + EscapeXml(failing) + "</small>") + "</td></tr>\n";
}

std::string ClauseRow(const JudgedClause& clause) {
  return "<tr><td>" + EscapeXml(clause.clause.says) + "</td><td>" + EscapeXml(BoundText(clause.clause)) + "</td><td>" +
         EscapeXml(ValueText(clause.clause, clause.value)) + "</td><td>" + EscapeXml(DistanceText(clause)) +
         "</td><td><span class=\"verdict " + (clause.holds ? "holds\">holds" : "fails\">fails") + "</span></td></tr>\n";
}

std::string ReasonsOf(const JudgedStatement& judged) {
  std::string html;
  for (const JudgedClause& clause : judged.clauses) {
    if (clause.holds || clause.clause.if_missed.empty()) continue;
    const std::string line = "<p class=\"reason\"><strong>Why \"" + EscapeXml(clause.clause.says) +
                             "\" fails.</strong> " + EscapeXml(clause.clause.if_missed) + "</p>\n";
    if (html.find(line) == std::string::npos) html += line;
  }
  return html;
}

std::string HowItWasMade(const JudgedFigure& figure) {
  std::string html = "<details><summary>How it was made</summary>\n<dl>\n";
  for (const UsedResult& result : figure.results) {
    html += "<dt>" + EscapeXml(result.experiment) + "</dt><dd><code>" + EscapeXml(result.command) + "</code>, " +
            std::to_string(result.seeds) + (result.seeds == 1 ? " seed" : " seeds") + "</dd>\n";
    for (const Json::Member& input : result.inputs.as<Json::Object>()) {
      html += "<dt>" + EscapeXml(input.key) + "</dt><dd><code>" + EscapeXml(input.value.as<std::string>()) +
              "</code></dd>\n";
    }
  }
  return html + "</dl></details>\n";
}

std::string Notice(const std::string& notice) {
  return notice.empty() ? "" : "<p class=\"reason\"><strong>" + EscapeXml(notice) + "</strong></p>\n";
}

/// Timelines want the whole width of the page.
std::string FigureOf(const NamedFigure& panel) {
  constexpr double kHalfPage = 620;
  const bool wide = panel.svg.width() > kHalfPage;
  return std::string(wide ? "<figure class=\"wide\">\n" : "<figure>\n") + panel.svg.Inline() + "</figure>\n";
}

std::string Section(const JudgedFigure& figure) {
  const Statement& statement = figure.judged.statement;
  std::string html = "<section id=\"" + statement.figure + "\">\n<h2>" + EscapeXml(statement.label()) + ": " +
                     EscapeXml(statement.title) + " " + VerdictBadge(figure.judged) + "</h2>\n<p class=\"stated\">“" +
                     EscapeXml(statement.statement) + "” <span class=\"muted\">(" + EscapeXml(statement.source) +
                     ", in words of ours)</span></p>\n<p class=\"muted\">" + EscapeXml(statement.set_up) +
                     "</p>\n<div class=\"panels\">\n";
  for (const NamedFigure& panel : figure.figure.panels) html += FigureOf(panel);
  html +=
      "</div>\n<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Clauses of " + statement.figure +
      "\"><table><thead><tr><th>clause</th><th>bound</th><th>here</th><th>distance</th><th>verdict</th></tr></thead>"
      "<tbody>\n";
  for (const JudgedClause& clause : figure.judged.clauses) html += ClauseRow(clause);
  html += "</tbody></table></div>\n" + ReasonsOf(figure.judged);
  for (const std::string& note : figure.figure.notes) html += "<p class=\"muted\">" + EscapeXml(note) + "</p>\n";
  if (figure.figure.wall_clock) html += "<p class=\"muted\">Wall clock: other figures on another machine.</p>\n";
  return html + "<p class=\"muted\">Data: <a href=\"" + statement.figure + ".csv\">" + statement.figure +
         ".csv</a></p>\n" + HowItWasMade(figure) + "</section>\n";
}

}  // namespace

std::string Tally(const std::vector<JudgedFigure>& figures) {
  std::size_t hold = 0, fail = 0;
  for (const JudgedFigure& figure : figures) {
    hold += figure.judged.held == figure.judged.clauses.size() ? 1 : 0;
    fail += figure.judged.held == 0 ? 1 : 0;
  }
  return std::to_string(hold) + " of " + std::to_string(figures.size()) + " hold, " +
         std::to_string(figures.size() - hold - fail) + " in part, " + std::to_string(fail) + " do not";
}

std::string QuickNotice(const std::vector<JudgedFigure>& figures) {
  std::size_t least = 0, shortened = 0;
  for (const JudgedFigure& figure : figures) {
    bool is_short = false;
    for (const UsedResult& result : figure.results) {
      if (result.seeds >= result.seeds_wanted) continue;
      is_short = true;
      least = least == 0 ? result.seeds : std::min(least, result.seeds);
    }
    shortened += is_short ? 1 : 0;
  }
  if (shortened == 0) return "";
  return "A quick look: " + std::to_string(shortened) + " of " + std::to_string(figures.size()) +
         " figures are made from fewer seeds than their experiments ask for, down to " + std::to_string(least) +
         ". Intervals are wide or missing, a verdict may change, and reasons quote the whole run.";
}

std::string PaperPage(const std::string& source, const std::vector<JudgedFigure>& figures) {
  std::string html =
      "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" "
      "content=\"width=device-width, initial-scale=1\">\n<title>" +
      EscapeXml(source) + " · dflop</title>\n<style>\n" + std::string(FigureStyle()) + PaperStyle() +
      "</style>\n</head>\n<body>\n<main>\n<h1>What holds of " + EscapeXml(source) + "</h1>\n<p class=\"lead\">" +
      EscapeXml("Of the statements figure by figure " + Tally(figures)) + " in simulation.</p>\n" +
      Notice(QuickNotice(figures)) +
      "<p class=\"muted\">Bounds stand in a file that is committed before the run shown here; a verdict is a bound "
      "against a number, never typed. ± is half of a 95 % interval over the seeds.</p>\n<div class=\"scroll\" "
      "tabindex=\"0\" "
      "role=\"region\" aria-label=\"All figures\"><table class=\"index\"><thead><tr><th>figure</th><th>stated</th>"
      "<th>here</th></tr></thead><tbody>\n";
  for (const JudgedFigure& figure : figures) html += IndexRow(figure);
  html += "</tbody></table></div>\n";
  for (const JudgedFigure& figure : figures) html += Section(figure);
  return html + "</main>\n</body>\n</html>\n";
}

}  // namespace dflop
