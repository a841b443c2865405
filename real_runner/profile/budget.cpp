// Read by hand: a number and at most one letter.
#include "real_runner/profile/budget.hpp"

#include <charconv>
#include <system_error>

#include "base/error.hpp"
#include "base/json_reader.hpp"

namespace dflop {

double ReadBudget(const std::string& text) {
  constexpr double kShortest = 1;
  constexpr double kLongest = 86400;
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string unit(end, text.data() + text.size());
  const bool known = unit.empty() || unit == "s" || unit == "m";
  const double seconds = unit == "m" ? 60 * number : number;
  if (error != std::errc() || !known || !(seconds >= kShortest && seconds <= kLongest)) {
    throw InputError("--budget: is " + JsonQuote(text) +
                     ", wanted is a time such as 300, 300s or 5m, from 1s to 1440m");
  }
  return seconds;
}

}  // namespace dflop
