// Requests drawn from ServeGen's multimodal histograms (Xiang et al., arXiv 2505.09999): one JSON per client, in it one
// object per time window with histograms {value: probability} of text tokens, tokens per image and images.
//
// A window is drawn by the requests it saw, from the client's arrival trace (chunk-N-trace.csv: start, requests/s, …)
// where that lies beside the histograms; without traces all windows weigh the same. Inside a window the three fields
// are independent, as the source gives them. The recorded image tokens are Qwen-VL's, one per 28×28 px, so an image
// becomes a square of that area: what another model makes of it follows from its own tiling rule.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <iterator>

#include "base/csv.hpp"
#include "base/file.hpp"
#include "traces/import_rules.hpp"

namespace dflop {
namespace {

constexpr double kPixelsPerTokenSide = 28.0;  // Qwen2-VL: patches of 14 px, merged 2×2

/// Cumulative distribution over whole numbers.
struct Histogram {
  std::vector<int> values;
  std::vector<double> cumulative;
  int Draw(RandomStream& random) const {
    const double point = random.Uniform() * cumulative.back();
    const auto found = std::upper_bound(cumulative.begin(), cumulative.end(), point);
    return values[static_cast<std::size_t>(std::min(found, cumulative.end() - 1) - cumulative.begin())];
  }
  void Add(int value, double weight) {
    values.push_back(value);
    cumulative.push_back((cumulative.empty() ? 0.0 : cumulative.back()) + weight);
  }
};

double ParseNumber(std::string_view text, const JsonReader& json) {
  const std::size_t first = text.find_first_not_of(' ');
  const std::size_t last = text.find_last_not_of(' ');
  if (first != std::string_view::npos) text = text.substr(first, last - first + 1);
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(number)) {
    json.Fail("holds " + JsonQuote(text) + ", a number is wanted");
  }
  return number;
}

void AddEntry(std::string_view entry, const JsonReader& json, int max, Histogram& histogram) {
  const std::size_t colon = entry.find(':');
  if (colon == std::string_view::npos) json.Fail("holds " + JsonQuote(entry) + ", value: probability is wanted");
  const double value = ParseNumber(entry.substr(0, colon), json);
  const double probability = ParseNumber(entry.substr(colon + 1), json);
  if (value < 0 || value > max || std::floor(value) != value) {
    json.Fail("holds the value " + ShortestNumber(value) + ", allowed are whole numbers from 0 to " +
              std::to_string(max));
  }
  if (probability < 0 || probability > 1) json.Fail("holds a probability outside 0 to 1");
  histogram.Add(static_cast<int>(value), probability);
}

/// The source stores a histogram as the text "{136: 0.25, 372: 0.75}".
Histogram ReadHistogram(const JsonReader& json, int max) {
  const std::string text = json.String();
  if (text.front() != '{' || text.back() != '}') json.Fail("a histogram {value: probability, …} is wanted");
  Histogram histogram;
  std::string_view rest = std::string_view(text).substr(1, text.size() - 2);
  while (!rest.empty()) {
    const std::size_t comma = std::min(rest.find(','), rest.size());
    AddEntry(rest.substr(0, comma), json, max, histogram);
    rest.remove_prefix(std::min(comma + 1, rest.size()));
  }
  if (histogram.values.empty() || histogram.cumulative.back() <= 0) json.Fail("is an empty histogram");
  return histogram;
}

struct Window {
  double start_s = 0.0;
  Histogram text_tokens;
  Histogram image_tokens;
  Histogram image_count;
  double weight = 1.0;
};

/// The other media of a request, of which the histograms give tokens but no length, must not be there.
void RefuseOtherMedia(const JsonReader& window) {
  for (const char* key : {"audio_count", "video_count"}) {
    const auto given = window.FindGiven(key);
    if (!given) continue;
    const Histogram count = ReadHistogram(*given, kMaxImages);
    double before = 0;
    for (std::size_t i = 0; i < count.values.size(); ++i) {
      const bool happens = count.cumulative[i] > before;
      before = count.cumulative[i];
      if (count.values[i] > 0 && happens) {
        given->Fail("has requests with such media, whose lengths the source does not tell; images and text are read");
      }
    }
  }
}

double StartOf(const std::string& key, const JsonReader& window) {
  double start = 0;
  const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), start);
  if (error != std::errc() || end != key.data() + key.size() || !std::isfinite(start)) {
    window.Fail("a window's start in seconds is wanted as key");
  }
  return start;
}

std::vector<Window> ReadWindows(const std::string& path) {
  const Json document = ReadJsonFile(path);
  const JsonReader json(document, path);
  std::vector<Window> windows;
  for (const std::string& key : json.Keys()) {
    const JsonReader window = json.At(key);
    RefuseOtherMedia(window);
    windows.push_back({.start_s = StartOf(key, window),
                       .text_tokens = ReadHistogram(window.At("text_tokens"), kMaxTokens),
                       .image_tokens = ReadHistogram(window.At("image_tokens"), kMaxTokens),
                       .image_count = ReadHistogram(window.At("image_count"), kMaxImages)});
  }
  if (windows.empty()) json.Fail("holds no time window");
  std::sort(windows.begin(), windows.end(), [](const Window& a, const Window& b) { return a.start_s < b.start_s; });
  return windows;
}

std::string TracePath(const std::string& path) {
  const std::string ending = "-dataset.json";
  return path.ends_with(ending) ? path.substr(0, path.size() - ending.size()) + "-trace.csv" : "";
}

/// Sums the request rates of a trace (equal intervals, no header) into the windows they fall in.
void WeighByRequests(const std::string& trace, std::vector<Window>& windows) {
  const CsvTable table = ParseCsv("start_s,rate,cv,distribution,a,b\n" + ReadFile(trace), trace);
  for (Window& window : windows) window.weight = 0.0;
  for (std::size_t row = 0; row < table.rows.size(); ++row) {
    const double start = table.Number(row, 0, 0);
    auto window = std::find_if(windows.rbegin(), windows.rend(), [=](const Window& w) { return w.start_s <= start; });
    if (window != windows.rend()) window->weight += table.Number(row, 1, 0);
  }
}

std::vector<std::string> HistogramFiles(const std::vector<std::string>& paths) {
  std::vector<std::string> files;
  for (const std::string& path : paths) {
    if (!std::filesystem::is_directory(path)) {
      files.push_back(path);
      continue;
    }
    std::vector<std::string> inside;
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(path, error)) {
      if (entry.path().string().ends_with("-dataset.json")) inside.push_back(entry.path().string());
    }
    if (error) throw InputError(path, "", "cannot be read: " + error.message());
    if (inside.empty()) throw InputError(path, "", "holds no file …-dataset.json");
    std::sort(inside.begin(), inside.end());
    files.insert(files.end(), inside.begin(), inside.end());
  }
  return files;
}

std::vector<Window> AllWindows(const std::vector<std::string>& files) {
  const bool traced = std::all_of(files.begin(), files.end(),
                                  [](const std::string& file) { return std::filesystem::exists(TracePath(file)); });
  std::vector<Window> all;
  for (const std::string& file : files) {
    std::vector<Window> windows = ReadWindows(file);
    if (traced) WeighByRequests(TracePath(file), windows);
    std::move(windows.begin(), windows.end(), std::back_inserter(all));
  }
  return all;
}

Sample DrawRequest(const Window& window, RandomStream& random) {
  Sample sample;
  sample.text_tokens = std::max(1, window.text_tokens.Draw(random));  // no request is empty
  const int images = window.image_count.Draw(random);
  for (int i = 0; i < images; ++i) {
    const double side = kPixelsPerTokenSide * std::sqrt(window.image_tokens.Draw(random));
    const int pixels = static_cast<int>(std::clamp(std::round(side), 1.0, static_cast<double>(kMaxPixels)));
    sample.images.push_back({pixels, pixels});
  }
  return sample;
}

}  // namespace

SampleSet ImportServeGen(const std::vector<std::string>& paths, int count, std::uint64_t seed) {
  RequirePaths(paths);
  DFLOP_CHECK(count > 0, "at least one request is drawn");
  const std::vector<Window> windows = AllWindows(HistogramFiles(paths));
  Histogram choice;
  for (std::size_t i = 0; i < windows.size(); ++i) choice.Add(static_cast<int>(i), windows[i].weight);
  if (choice.cumulative.back() <= 0) throw InputError(paths.front(), "", "no window saw a request");
  SampleSet set{"servegen", "drawn from ServeGen's production histograms (arXiv 2505.09999), images as squares", {}};
  RandomStream random(seed, "samples/servegen");
  for (int i = 0; i < count; ++i) {
    set.samples.push_back(DrawRequest(windows[static_cast<std::size_t>(choice.Draw(random))], random));
  }
  return set;
}

}  // namespace dflop
