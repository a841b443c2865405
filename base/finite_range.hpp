// A range of real numbers for options of a command line.
#pragma once

#include <CLI/App.hpp>
#include <cmath>
#include <string>

namespace dflop {

/// CLI::Range lets NaN pass, which is neither below the least nor above the most.
inline CLI::Validator FiniteRange(double least, double most) {
  const CLI::Range range(least, most);
  return {[range](std::string& text) {
            double value = 0;
            const bool is_number = CLI::detail::lexical_cast(text, value) && !std::isnan(value);
            return is_number ? range(text) : "Value " + text + " is no number";
          },
          range.get_description()};
}

}  // namespace dflop
