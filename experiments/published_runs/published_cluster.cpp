// Nominal rates, but for two networks that built-in clusters know better: their sources say that they were fitted.
#include "experiments/published_runs/published_cluster.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdlib>

namespace dflop {
namespace {

struct KnownGpu {
  const char* word;  ///< in a table's name of the GPU; the first entry of which both words occur counts
  const char* also;
  const char* cluster;
  int per_node;
  StatedNetwork network;  ///< of the built-in cluster
  const char* shown;
  const char* gpu;  ///< another GPU in that cluster's nodes, or nullptr
  const char* proxy;
};

constexpr const char* kScaledB200 = "kernels: those of B200, scaled";

constexpr std::array<KnownGpu, 9> kKnownGpus = {{
    {"gb300", "", "gb200-nvl72", 4, {4, 400}, "gb300", nullptr, kScaledB200},
    {"gb200", "", "gb200-nvl72", 4, {4, 400}, "gb200", nullptr, kScaledB200},
    {"b300", "", "dgx-b200", 8, {8, 400}, "b300", nullptr, kScaledB200},
    {"b200", "", "dgx-b200", 8, {8, 400}, "b200", nullptr, ""},
    {"h200", "", "dgx-h200", 8, {8, 400}, "h200", nullptr, ""},
    {"h100",
     "hbm2e",
     "dgx-h100",
     8,
     {8, 400},
     "h100-500w",
     "h100-hbm2e-500w",
     "kernels: those of H100 at 700 W, scaled"},
    {"h100", "", "dgx-h100", 8, {8, 400}, "h100", nullptr, ""},
    {"a100", "40gb", "dgx-a100", 8, {8, 200}, "a100-40gb", "a100-sxm-40gb", ""},
    {"a100", "", "dgx-a100", 8, {8, 200}, "a100", nullptr, ""},
}};

/// Variants whose GPUs meet by PCIe or in pairs, or share a board with a processor: their nodes are none of the known.
bool IsOtherNode(const std::string& gpu) {
  return Mentions(gpu, "pcie") || Mentions(gpu, "nvl-") || gpu.ends_with("NVL") || Mentions(gpu, "gh200");
}

const KnownGpu* FindGpu(const std::string& gpu) {
  if (IsOtherNode(gpu)) return nullptr;
  const auto found = std::find_if(kKnownGpus.begin(), kKnownGpus.end(), [&](const KnownGpu& known) {
    return Mentions(gpu, known.word) && Mentions(gpu, known.also);
  });
  return found == kKnownGpus.end() ? nullptr : &*found;
}

/// GPUs of the Blackwell Ultra generation, which the program has no entry for.
Json UltraGpu(const std::string& shown) {
  Json gpu;
  gpu["name"] = shown;
  gpu["source"] = shown == "gb300" ? "NVIDIA GB300 NVL72 data sheet, per GPU: dense bf16 peak, HBM3e bandwidth and size"
                                   : "NVIDIA HGX B300 data sheet, per GPU: dense bf16 peak, HBM3e bandwidth and size";
  gpu["peak_flops_per_s"] = shown == "gb300" ? 2.5e15 : 2.25e15;
  gpu["memory_bytes_per_s"] = 8e12;
  gpu["memory_bytes"] = 288e9;
  return gpu;
}

/// GPUs that share an NVLink domain of a rack of 72: as many as divide the run's and as whole nodes give.
int DomainOf(int gpus, int per_node) {
  constexpr int kRack = 72;
  for (int domain = std::min(kRack, gpus); domain > per_node; --domain) {
    if (gpus % domain == 0 && domain % per_node == 0) return domain;
  }
  return per_node;
}

/// The digits that end before `end`, blanks skipped; 0 where there are none. `begin` is where they start.
double DigitsBefore(const std::string& text, std::size_t end, std::size_t& begin) {
  while (end > 0 && text[end - 1] == ' ') --end;
  begin = end;
  while (begin > 0 && (std::isdigit(static_cast<unsigned char>(text[begin - 1])) || text[begin - 1] == ',')) --begin;
  std::string digits = text.substr(begin, end - begin);
  std::erase(digits, ',');
  constexpr std::size_t kMostDigits = 6;
  return digits.empty() || digits.size() > kMostDigits ? 0 : std::strtod(digits.c_str(), nullptr);
}

/// The network that the rate before text[at], a "Gb", is part of; nothing when the rate is of something else.
std::optional<StatedNetwork> NetworkAt(const std::string& text, std::size_t at, int gpus_per_node) {
  constexpr int kMostNics = 8;
  constexpr double kNic = 100;
  constexpr std::size_t kReach = 16;  // of the words behind a rate
  std::size_t begin = 0;
  const double rate = DigitsBefore(text, at, begin);
  if (rate <= 0) return std::nullopt;
  if (begin > 0 && text[begin - 1] == 'x') {
    const double count = DigitsBefore(text, begin - 1, begin);
    if (count >= 1 && count <= kMostNics) return StatedNetwork{static_cast<int>(count), rate};
  }
  const std::string behind = text.substr(at, kReach);
  if (Mentions(behind, "per gpu")) return StatedNetwork{gpus_per_node, rate};
  if (!Mentions(behind, "per node") && !Mentions(behind, "a node") && !Mentions(behind, "node-node")) {
    return std::nullopt;
  }
  const int nics = std::clamp(static_cast<int>(rate / kNic), 1, std::min(kMostNics, gpus_per_node));
  return StatedNetwork{nics, rate / nics};
}

/// A cluster that the notes name, with its own network, else the one of the GPU.
const char* NamedCluster(const PublishedRow& row, const KnownGpu& known, StatedNetwork& own) {
  if (std::string(known.cluster) != "dgx-a100" || known.gpu != nullptr) return known.cluster;
  constexpr StatedNetwork kHalf = {4, 100};
  const bool jean_zay = Mentions(row.notes, "Jean Zay");
  const std::optional<StatedNetwork> stated = NetworkIn(row.notes, known.per_node);
  const bool roce =
      Mentions(row.notes, "RoCE") && stated && stated->nics == kHalf.nics && stated->gbit_per_s == kHalf.gbit_per_s;
  if (jean_zay || roce) own = kHalf;
  if (jean_zay) return "jean-zay-a100";
  return roce ? "roce-a100-400g" : known.cluster;
}

}  // namespace

std::optional<StatedNetwork> NetworkIn(const std::string& notes, int gpus_per_node) {
  for (std::size_t at = notes.find("Gb"); at != std::string::npos; at = notes.find("Gb", at + 1)) {
    if (const auto network = NetworkAt(notes, at, gpus_per_node)) return network;
  }
  return std::nullopt;
}

std::optional<PublishedCluster> ClusterOf(const PublishedRow& row) {
  const KnownGpu* known = FindGpu(row.gpu);
  if (known == nullptr) return std::nullopt;
  PublishedCluster cluster{Json::EmptyObject(), known->shown, known->proxy};
  StatedNetwork own = known->network;
  cluster.json["name"] = NamedCluster(row, *known, own);
  int per_node = known->per_node;
  Json node = Json::EmptyObject();
  // Nodes that a run fills by halves belong to a smaller kind of machine.
  if (row.nodes > 1 && row.gpus % row.nodes == 0 && row.gpus / row.nodes < per_node) {
    per_node = row.gpus / row.nodes;
    node["gpus"] = per_node;
  }
  cluster.json["nodes"] = (row.gpus + per_node - 1) / per_node;
  if (known->gpu != nullptr) node["gpu"] = known->gpu;
  if (cluster.gpu.ends_with("b300")) node["gpu"] = UltraGpu(cluster.gpu);
  const StatedNetwork network = NetworkIn(row.notes, per_node).value_or(own);
  if (network.nics != own.nics || network.gbit_per_s != own.gbit_per_s) {
    node["nics"] = network.nics;
    node["nic_bytes_per_s"] = network.gbit_per_s * 1e9 / 8;
  }
  if (std::string(known->cluster) == "gb200-nvl72") node["nvlink_domain"] = DomainOf(row.gpus, per_node);
  if (!(node == Json::EmptyObject())) cluster.json["node"] = std::move(node);
  return cluster;
}

}  // namespace dflop
