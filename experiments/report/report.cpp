// The template is filled in one pass, and assets are embedded: a report needs nothing but the result.
#include "experiments/report/report.hpp"

#include <filesystem>
#include <fstream>
#include <map>
#include <span>
#include <vector>

#include "base/embedded_file.hpp"
#include "base/error.hpp"
#include "base/file.hpp"
#include "experiments/report/page.hpp"
#include "experiments/results/result_figures.hpp"

namespace dflop {

std::span<const EmbeddedFile> ReportAssets();  // experiments/report/*, embedded by CMake

namespace {

using Texts = std::map<std::string, std::string, std::less<>>;

/// Replaces every {{name}} in one pass, so that text put in is never read as a place again.
std::string Fill(std::string_view page, const Texts& texts) {
  std::string out;
  while (true) {
    const std::size_t open = page.find("{{");
    out += page.substr(0, open);
    if (open == std::string_view::npos) return out;
    const std::size_t close = page.find("}}", open);
    DFLOP_CHECK(close != std::string_view::npos, "the template closes every place");
    const auto found = texts.find(page.substr(open + 2, close - open - 2));
    DFLOP_CHECK(found != texts.end(), "the template names only texts that exist");
    out += found->second;
    page.remove_prefix(close + 2);
  }
}

/// By how Svg::Standalone begins; what somebody else has put there stays.
bool IsOurFigure(const std::filesystem::path& path) {
  std::string begin(300, ' ');
  std::ifstream(path, std::ios::binary).read(begin.data(), static_cast<std::streamsize>(begin.size()));
  return path.extension() == ".svg" && begin.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\"") &&
         begin.find("class=\"figure\" role=\"img\"") != std::string::npos;
}

}  // namespace

std::string_view FigureStyle() {
  for (const EmbeddedFile& asset : ReportAssets()) {
    if (asset.path == std::string_view("figure.css")) return asset.content;
  }
  CheckFailed("figure.css is embedded", __FILE__, __LINE__, "the style sheet of all figures");
}

void RemoveReport(const std::string& folder) {
  std::error_code error;
  std::filesystem::remove(folder + "/report.html", error);
  std::vector<std::filesystem::path> figures;
  for (const auto& entry : std::filesystem::directory_iterator(folder + "/figures", error)) {
    if (entry.is_regular_file(error) && IsOurFigure(entry.path())) figures.push_back(entry.path());
  }
  for (const std::filesystem::path& figure : figures) std::filesystem::remove(figure, error);
}

void WriteReport(const std::string& folder) {
  const Report report = ReadReport(folder);
  Texts texts;
  for (const EmbeddedFile& asset : ReportAssets()) texts.emplace(asset.path, asset.content);
  const ReportPage page = DrawPage(report);
  texts["title"] = page.title;
  texts["header"] = page.header;
  texts["points"] = page.points;
  texts["footer"] = page.footer;
  const std::string html = Fill(texts.at("report.html"), texts);
  for (const NamedFigure& figure : page.figures) {
    WriteFile(folder + "/figures/" + figure.name + ".svg", figure.svg.Standalone(FigureStyle()));
  }
  WriteFile(folder + "/report.html", html);
}

}  // namespace dflop
