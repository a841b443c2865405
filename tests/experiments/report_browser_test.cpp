// A report in a real browser, without a screen: nothing fails, nothing is clipped, too small or too pale, and timelines
// answer to the keyboard. Skipped where there is no Chromium.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "experiments/report/report.hpp"
#include "tests/experiments/browser_test.hpp"
#include "tests/experiments/report_fixture.hpp"

namespace dflop {
namespace {

using report_fixture::Policy;

class ReportBrowserTest : public BrowserTest {
 protected:
  void WriteSmallReport() {
    Json result = report_fixture::EmptyResult("browser", {"random-fixed", "uniform-tuned"});
    result["policies"] =
        ParseJson(R"([{"name": "random-fixed", "line": "layout: fixed; batches: random"}])", "policies");
    const std::vector<Policy> policies = {{"random-fixed", 1.92, 4, 1, 12, 0.7, true},
                                          {"uniform-tuned", 1.35, 2, 2, 6, 0.5, true},
                                          {"dflop-as-released", 1.21, 3, 6, 4, 0.1, false}};
    for (const std::string scenario : {"llama3-8b", "qwen2.5-32b"}) {
      report_fixture::AddScenario(result, scenario);
      for (const Policy& policy : policies) {
        for (const int seed : {1, 2}) result["runs"].push_back(report_fixture::Run(scenario, {}, policy, seed, 4));
        report_fixture::AddPicture(result, folder_.path(), scenario, policy);
      }
    }
    WriteJsonFile(folder_ / "result.json", result);
    WriteReport(folder_.path());
  }
};

TEST_P(ReportBrowserTest, FindsNothingWrong) {
  WriteSmallReport();
  ExpectNothingWrong("report.html");
}

INSTANTIATE_TEST_SUITE_P(Views, ReportBrowserTest,
                         testing::Values(View{1400, false}, View{800, false}, View{390, false}, View{1400, true},
                                         View{390, true}),
                         ViewName);

}  // namespace
}  // namespace dflop
