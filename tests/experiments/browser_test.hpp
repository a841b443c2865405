// A page in a real browser, without a screen: for tests that look at what people see. Skipped where there is no
// Chromium.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "base/file.hpp"
#include "test_paths.hpp"
#include "tests/program_test.hpp"

namespace dflop {

/// How somebody looks at a page.
struct View {
  int width = 1400;  ///< pixels
  bool dark = false;
};

inline std::string ViewName(const testing::TestParamInfo<View>& view) {
  return std::to_string(view.param.width) + (view.param.dark ? "Dark" : "Light");
}

class BrowserTest : public ProgramTest, public testing::WithParamInterface<View> {
 protected:
  /// Nothing that report_checks.js looks for is wrong with folder_/`page`; `prelude` is a script that runs before it.
  void ExpectNothingWrong(const std::string& page, const std::string& prelude = "") {
    const std::string browser = Browser();
    if (browser.empty()) GTEST_SKIP() << "no Chromium here (Debian: chromium)";
    WriteCheckedCopy(page, prelude);
    const auto [width, dark] = GetParam();
    WriteFrame(width);
    const Outcome outcome =
        Shell(browser + " --headless --no-sandbox --disable-gpu --virtual-time-budget=20000" +
              (dark ? " --blink-settings=preferredColorScheme=0" : "") + " --window-size=1500,1000 --user-data-dir='" +
              streams_ / "profile" + "' --dump-dom 'file://" + folder_ / "frame.html" + "'");
    if (outcome.out.empty()) GTEST_SKIP() << "Chromium does not start here: " << outcome.err.substr(0, 300);
    EXPECT_EQ(Findings(outcome.out), std::to_string(width) + " px, " + (dark ? "dark" : "light") + ", 0 findings");
  }

 private:
  /// "" where there is none.
  std::string Browser() {
    for (const char* name : {"chromium", "chromium-browser", "google-chrome"}) {
      if (Shell(std::string("command -v ") + name).code == 0) return name;
    }
    return "";
  }

  /// A copy that gathers errors from its first line on and checks itself at its end.
  void WriteCheckedCopy(const std::string& name, const std::string& prelude) {
    std::string page = ReadFile(folder_ / name);
    const std::string gather =
        "<script>const pageErrors = []; addEventListener(\"error\", (event) => pageErrors.push(event.message)); "
        "console.error = (...what) => pageErrors.push(what.join(\" \")); " +
        prelude + "</script>\n";
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

}  // namespace dflop
