// Reading fabrics: each kind's parameters with their ranges, and whether the cluster's nodes fit it.
#include <algorithm>
#include <string>

#include "base/text.hpp"
#include "models/network/fabric.hpp"
#include "models/network/limits.hpp"
#include "models/referenced_file.hpp"

namespace dflop {
namespace {

constexpr int kMaxTableNodes = 1024;
constexpr double kMaxOversubscription = 1000;

Seconds ReadSwitchLatency(const JsonReader& json) {
  return Seconds(json.NumberOr("switch_latency_s", 0, 0, kMaxLatency));
}
int ReadCount(const JsonReader& json, const char* key) { return static_cast<int>(json.At(key).Int(1, kMaxNodes)); }
BytesPerSecond ReadRate(const JsonReader& json, const char* key) {
  return BytesPerSecond(json.At(key).Number(1, kMaxRate));
}

FatTree ReadFatTree(const JsonReader& json) {
  json.AllowOnly({"name", "nodes_per_leaf", "oversubscription", "switches_per_group", "switch_latency_s"});
  FatTree tree;
  tree.nodes_per_leaf = ReadCount(json, "nodes_per_leaf");
  const auto narrowed = json.Find("oversubscription");
  if (narrowed && narrowed->IsArray()) {
    tree.oversubscription.clear();
    for (const JsonReader& level : narrowed->Elements()) {
      tree.oversubscription.push_back(level.Number(1, kMaxOversubscription));
    }
    if (tree.oversubscription.empty() || tree.oversubscription.size() > 4) narrowed->Fail("has one to four levels");
  } else {
    tree.oversubscription = {json.NumberOr("oversubscription", 1, 1, kMaxOversubscription)};
  }
  if (const auto groups = json.Find("switches_per_group")) {
    for (const JsonReader& level : groups->Elements()) {
      tree.switches_per_group.push_back(static_cast<int>(level.Int(1, kMaxNodes)));
    }
  }
  if (tree.switches_per_group.size() + 1 != tree.oversubscription.size()) {
    json.Fail("\"switches_per_group\" has one entry fewer than \"oversubscription\" has levels: " +
              std::to_string(tree.oversubscription.size() - 1) + ", not " +
              std::to_string(tree.switches_per_group.size()));
  }
  double span = tree.nodes_per_leaf;
  for (const int switches : tree.switches_per_group) span *= switches;
  if (span > 1e9) json.Fail("has room for more than 10⁹ nodes below one switch");
  tree.switch_latency = ReadSwitchLatency(json);
  return tree;
}

RailFabric ReadRails(const JsonReader& json) {
  json.AllowOnly({"name", "nodes_per_leaf", "oversubscription", "switch_latency_s"});
  return {ReadCount(json, "nodes_per_leaf"), json.NumberOr("oversubscription", 1, 1, kMaxOversubscription),
          ReadSwitchLatency(json)};
}

Dragonfly ReadDragonfly(const JsonReader& json) {
  json.AllowOnly(
      {"name", "nodes_per_router", "routers_per_group", "local_bytes_per_s", "global_bytes_per_s", "switch_latency_s"});
  Dragonfly dragonfly;
  dragonfly.nodes_per_router = ReadCount(json, "nodes_per_router");
  dragonfly.routers_per_group = static_cast<int>(json.At("routers_per_group").Int(1, 4096));
  if (std::int64_t{dragonfly.nodes_per_router} * dragonfly.routers_per_group > kMaxNodes) {
    json.At("routers_per_group").Fail("makes groups of more than " + std::to_string(kMaxNodes) + " nodes");
  }
  dragonfly.local_rate = ReadRate(json, "local_bytes_per_s");
  dragonfly.global_rate = ReadRate(json, "global_bytes_per_s");
  dragonfly.switch_latency = ReadSwitchLatency(json);
  return dragonfly;
}

Torus ReadTorus(const JsonReader& json, int nodes) {
  json.AllowOnly({"name", "dims", "link_bytes_per_s", "switch_latency_s"});
  Torus torus;
  std::int64_t places = 1;
  for (const JsonReader& dim : json.At("dims").Elements()) {
    torus.dims.push_back(static_cast<int>(dim.Int(1, kMaxNodes)));
    places = std::min<std::int64_t>(places * torus.dims.back(), std::int64_t{1} << 40);
  }
  if (places != nodes) {
    json.At("dims").Fail("makes " + std::to_string(places) + " places for " + std::to_string(nodes) + " nodes");
  }
  torus.link_rate = ReadRate(json, "link_bytes_per_s");
  torus.switch_latency = ReadSwitchLatency(json);
  return torus;
}

/// Calls read(entry) for what stands beside the diagonal of a square table.
template <typename T, typename Read>
std::vector<std::vector<T>> ReadSquare(const JsonReader& json, int nodes, Read read) {
  const auto wrong_size = [&](const JsonReader& where, const char* what) {
    if (where.Size() == static_cast<std::size_t>(nodes)) return;
    where.Fail("has " + std::to_string(where.Size()) + " " + what + " for " + std::to_string(nodes) + " nodes");
  };
  wrong_size(json, "rows");
  std::vector<std::vector<T>> table;
  for (const JsonReader& row : json.Elements()) {
    wrong_size(row, "entries");
    std::vector<T>& values = table.emplace_back(row.Size(), T(0));
    for (std::size_t to = 0; to < row.Size(); ++to) {
      if (to + 1 != table.size()) values[to] = read(row.Element(to));
    }
  }
  return table;
}

LinkTable ReadTableObject(const JsonReader& json, int nodes) {
  if (nodes > kMaxTableNodes) json.Fail("describes " + std::to_string(kMaxTableNodes) + " nodes at most");
  LinkTable table;
  table.rates = ReadSquare<BytesPerSecond>(json.At("bytes_per_s"), nodes, [](const JsonReader& entry) {
    if (entry.json().is_null()) entry.Fail("there is no route between these nodes; every pair needs a rate");
    return BytesPerSecond(entry.Number(1, kMaxRate));
  });
  if (const auto latencies = json.Find("latency_s")) {
    table.latencies = ReadSquare<Seconds>(
        *latencies, nodes, [](const JsonReader& entry) { return Seconds(entry.Number(0, kMaxLatency)); });
  }
  return table;
}

LinkTable ReadTable(const JsonReader& json, int nodes) {
  if (!json.Has("file")) {
    json.AllowOnly({"name", "bytes_per_s", "latency_s"});
    return ReadTableObject(json, nodes);
  }
  json.AllowOnly({"name", "file"});
  const ReferencedFile file(json.At("file"), "dflop/links/1");
  file.reader().AllowOnly({"schema", "source", "bytes_per_s", "latency_s"});
  return ReadTableObject(file.reader(), nodes);
}

template <typename T>
Json SquareJson(const std::vector<std::vector<T>>& table) {
  Json json = Json::EmptyArray();
  for (std::size_t from = 0; from < table.size(); ++from) {
    Json row = Json::EmptyArray();
    for (const T& value : table[from]) row.push_back(value.value());
    json.push_back(std::move(row));
  }
  return json;
}

struct Printer {
  Json operator()(const FullFabric&) const {
    Json json;
    json["name"] = "full";
    return json;
  }
  Json operator()(const FatTree& tree) const {
    Json json;
    json["name"] = "fat-tree";
    json["nodes_per_leaf"] = tree.nodes_per_leaf;
    json["oversubscription"] = Json::ArrayOf(tree.oversubscription);
    json["switches_per_group"] = Json::ArrayOf(tree.switches_per_group);
    json["switch_latency_s"] = tree.switch_latency.value();
    return json;
  }
  Json operator()(const RailFabric& rails) const {
    Json json;
    json["name"] = "rail";
    json["nodes_per_leaf"] = rails.nodes_per_leaf;
    json["oversubscription"] = rails.oversubscription;
    json["switch_latency_s"] = rails.switch_latency.value();
    return json;
  }
  Json operator()(const Dragonfly& dragonfly) const {
    Json json;
    json["name"] = "dragonfly";
    json["nodes_per_router"] = dragonfly.nodes_per_router;
    json["routers_per_group"] = dragonfly.routers_per_group;
    json["local_bytes_per_s"] = dragonfly.local_rate.value();
    json["global_bytes_per_s"] = dragonfly.global_rate.value();
    json["switch_latency_s"] = dragonfly.switch_latency.value();
    return json;
  }
  Json operator()(const Torus& torus) const {
    Json json;
    json["name"] = "torus";
    json["dims"] = Json::ArrayOf(torus.dims);
    json["link_bytes_per_s"] = torus.link_rate.value();
    json["switch_latency_s"] = torus.switch_latency.value();
    return json;
  }
  Json operator()(const LinkTable& table) const {
    Json json;
    json["name"] = "table";
    json["bytes_per_s"] = SquareJson(table.rates);
    if (!table.latencies.empty()) json["latency_s"] = SquareJson(table.latencies);
    return json;
  }
};

}  // namespace

FabricSpec ReadFabric(const JsonReader& json, int nodes) {
  const std::vector<std::string> names = {"full", "fat-tree", "rail", "dragonfly", "torus", "table"};
  if (json.IsString()) {
    if (json.OneOf(names) != "full") json.Fail("needs its parameters: an object with \"name\"");
    return FullFabric{};
  }
  const std::string name = json.At("name").OneOf(names);
  if (name == "fat-tree") return ReadFatTree(json);
  if (name == "rail") return ReadRails(json);
  if (name == "dragonfly") return ReadDragonfly(json);
  if (name == "torus") return ReadTorus(json, nodes);
  if (name == "table") return ReadTable(json, nodes);
  json.AllowOnly({"name"});
  return FullFabric{};
}

std::shared_ptr<const Fabric> MakeFabric(const FullFabric&, const std::vector<NodePorts>& /*nodes*/) { return nullptr; }

std::shared_ptr<const Fabric> MakeFabric(const FabricSpec& spec, const std::vector<NodePorts>& nodes) {
  return std::visit([&](const auto& kind) { return MakeFabric(kind, nodes); }, spec);
}

Json ToJson(const FabricSpec& fabric) { return std::visit(Printer{}, fabric); }

}  // namespace dflop
