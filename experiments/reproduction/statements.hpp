// What a publication states, figure by figure, as bounds on quantities: the file dflop/statements/1.
//
// Bounds stand in the file and nowhere else, are committed before anything is run, and never hang on what was found;
// the words for a miss (`if_missed`) are shown only where the judge (verdict.hpp) finds one.
#pragma once

#include <limits>
#include <string>
#include <vector>

namespace dflop {

struct Clause {
  std::string says;
  std::string quantity;  ///< the name under which the figure gives it (reproduced_figure.hpp)
  double least = -std::numeric_limits<double>::infinity();
  double most = std::numeric_limits<double>::infinity();
  std::string unit;       ///< "x", "%" (of a share), "h", "s" or ""
  std::string if_missed;  ///< why, where it is known
};

struct Statement {
  std::string figure;  ///< id: of the maker, of the files
  std::string title;
  std::string statement;  ///< what the publication says, in words of ours
  std::string source;     ///< section and figure
  std::string set_up;     ///< what it says of how, and what we assume where it does not
  std::vector<Clause> clauses;

  std::string label() const;  ///< "Fig. 7a" of fig07a, "Table 4" of table4, other ids as they are
};

struct Statements {
  std::string source;  ///< the publication
  std::vector<Statement> figures;
};

/// InputError with the pointer; ids and, within a figure, quantities with equal bounds must not repeat.
Statements ReadStatements(const std::string& path);

}  // namespace dflop
