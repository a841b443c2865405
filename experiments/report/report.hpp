// The report: a stored result as one self-contained page and as figures for a paper.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace dflop {

/// Reads `folder`/result.json (dflop/result/1) and the timelines that it names (dflop/timeline/1, one per scenario and
/// policy, may be absent), and validation.json (dflop/validation/1) where it is there; writes `folder`/report.html,
/// which needs no network and no other file, and `folder`/figures/*.svg. The same input gives the same bytes.
/// InputError on unreadable or malformed input, and then nothing is written.
void WriteReport(const std::string& folder);

/// The figures alone, as files in `figures`: *.svg, below 300 kB, each with its title, legend and units, for a paper.
/// With `pdf` a PDF beside each where the program rsvg-convert is there. Returns how many figures there are, and of how
/// many a PDF was made. InputError as above; RunError where the folder cannot be written.
struct FigureFiles {
  std::size_t figures = 0;
  std::size_t pdfs = 0;
};
FigureFiles WriteFigures(const std::string& folder, const std::string& figures, bool pdf);

/// Whether rsvg-convert is there.
bool CanMakePdfs();

/// Removes report.html and, of the files in figures/, those that WriteReport makes.
void RemoveReport(const std::string& folder);

/// The style sheet that a figure carries inside.
std::string_view FigureStyle();

}  // namespace dflop
