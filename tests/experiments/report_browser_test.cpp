// A report in a real browser, without a screen: nothing fails, nothing is clipped, too small or too pale, and timelines
// answer to the keyboard. Skipped where there is no Chromium.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/file.hpp"
#include "experiments/report/report.hpp"
#include "test_paths.hpp"
#include "tests/experiments/report_fixture.hpp"
#include "tests/program_test.hpp"

namespace dflop {
namespace {

using report_fixture::Policy;

struct View {
  int width = 1400;
  bool dark = false;
};

class ReportBrowserTest : public ProgramTest, public testing::WithParamInterface<View> {
 protected:
  /// "" where there is none.
  std::string Browser() {
    for (const char* name : {"chromium", "chromium-browser", "google-chrome"}) {
      if (Shell(std::string("command -v ") + name).code == 0) return name;
    }
    return "";
  }

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

  /// A copy that gathers errors from its first line on and checks itself at its end.
  void WriteCheckedCopy() {
    std::string page = ReadFile(folder_ / "report.html");
    const std::string gather =
        "<script>const pageErrors = []; addEventListener(\"error\", (event) => pageErrors.push(event.message)); "
        "console.error = (...what) => pageErrors.push(what.join(\" \"));</script>\n";
    const std::string checks = ReadFile(DFLOP_SOURCE_DIR "/tests/experiments/report_checks.js");
    page.insert(page.find("<title>"), gather);
    page.insert(page.find("</body>"), "<script>\n" + checks + "</script>\n");
    WriteFile(folder_ / "checked.html", page);
  }

  /// A window has a least width, a frame has none.
  void WriteFrame(int width) {
    WriteFile(folder_ / "frame.html",
              "<!doctype html><iframe src=\"checked.html\" style=\"border:0\" width=\"" + std::to_string(width) +
                  "\" height=\"900\"></iframe><pre id=\"findings\">none came</pre>\n<script>addEventListener("
                  "\"message\", (event) => { document.getElementById(\"findings\").textContent = event.data; });"
                  "</script>\n");
  }

  /// What the page found, without the markup around it; the whole answer where it says nothing.
  static std::string Findings(const std::string& dom) {
    const std::string open = "<pre id=\"findings\">";
    const std::size_t begin = dom.find(open);
    if (begin == std::string::npos) return "no page";
    return dom.substr(begin + open.size(), dom.find("</pre>", begin) - begin - open.size());
  }
};

TEST_P(ReportBrowserTest, FindsNothingWrong) {
  const std::string browser = Browser();
  if (browser.empty()) GTEST_SKIP() << "no Chromium here (Debian: chromium)";
  WriteSmallReport();
  WriteCheckedCopy();
  const auto [width, dark] = GetParam();
  WriteFrame(width);
  const Outcome outcome =
      Shell(browser + " --headless --no-sandbox --disable-gpu --virtual-time-budget=20000" +
            (dark ? " --blink-settings=preferredColorScheme=0" : "") + " --window-size=1500,1000 --user-data-dir='" +
            streams_ / "profile" + "' --dump-dom 'file://" + folder_ / "frame.html" + "'");
  if (outcome.out.empty()) GTEST_SKIP() << "Chromium does not start here: " << outcome.err.substr(0, 300);
  EXPECT_EQ(Findings(outcome.out), std::to_string(width) + " px, " + (dark ? "dark" : "light") + ", 0 findings");
}

INSTANTIATE_TEST_SUITE_P(Views, ReportBrowserTest,
                         testing::Values(View{1400, false}, View{800, false}, View{390, false}, View{1400, true},
                                         View{390, true}),
                         [](const auto& view) {
                           return std::to_string(view.param.width) + (view.param.dark ? "Dark" : "Light");
                         });

}  // namespace
}  // namespace dflop
