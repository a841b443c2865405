// A wait below a hundredth of the step is none worth a line.
#include "experiments/results/loading_note.hpp"

#include <algorithm>

#include "base/json_reader.hpp"
#include "base/text.hpp"
#include "experiments/results/figure_text.hpp"
#include "experiments/spec/data_loading.hpp"

namespace dflop {
namespace {

std::string Remedy(double cores) {
  if (cores == 0) return "no number of cores hides it: more prefetch_steps would";
  return Format("%.0f", cores) + (cores == 1 ? " core" : " cores") + " per GPU would hide it";
}

}  // namespace

void LoadingNote::Add(const std::string& policy, const RunFigures& figures) {
  if (figures.data_loading_s == 0) return;
  if (figures.data_loading_exposed_s > kHiddenWait * figures.iteration_time_s) {
    binding_.push_back("data loading binds (" + policy + "): " + Duration(figures.data_loading_s) +
                       " per step loads, " + Duration(figures.iteration_time_s) + " computes, " +
                       Duration(figures.data_loading_exposed_s) + " waits; " +
                       Remedy(figures.data_loading_hidden_by_cores));
    return;
  }
  least_step_s_ = hidden_.empty() ? figures.iteration_time_s : std::min(least_step_s_, figures.iteration_time_s);
  most_hidden_s_ = std::max(most_hidden_s_, figures.data_loading_s);
  hidden_.push_back(policy);
}

std::vector<std::string> LoadingNote::Lines() const {
  std::vector<std::string> lines = binding_;
  if (hidden_.empty()) return lines;
  lines.push_back("data loading is hidden (" + JoinNames(hidden_) + "): at most " + Duration(most_hidden_s_) +
                  " per step loads, at least " + Duration(least_step_s_) + " computes");
  return lines;
}

}  // namespace dflop
