// A device whose kernels take a known time on a clock of its own: nothing waits, every profile is repeatable.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "real_runner/kernels/backend.hpp"
#include "real_runner/kernels/row_shapes.hpp"

namespace dflop {

class FakeBackend final : public Backend {
 public:
  struct Kernel final : PreparedKernel {
    explicit Kernel(CostRow wanted) : row(std::move(wanted)) {}
    void Launch() override {}
    std::string implementation() const override { return "fake"; }
    std::vector<HostTensor> RunOnce() override { return {}; }
    CostRow row;
  };

  std::string name() const override { return "fake"; }
  std::string dtype() const override { return "fp32"; }
  DeviceInfo Describe() override {
    DeviceInfo info;
    info.name = "fake device";
    info.software["driver"] = "1.0";
    return info;
  }
  std::unique_ptr<PreparedKernel> Prepare(const CostRow& row) override {
    prepared.push_back(RowKey(row));
    if (refuses(row)) throw Unsupported("refused " + row.op);
    return std::make_unique<Kernel>(row);
  }
  std::vector<TimedLaunch> Time(PreparedKernel& kernel, int repeats) override {
    std::vector<TimedLaunch> timed;
    for (int i = 0; i < repeats; ++i) {
      timed.push_back(launch(static_cast<Kernel&>(kernel).row, launches++));
      clock += timed.back().seconds;
    }
    return timed;
  }

  double clock = 0;
  int launches = 0;
  std::vector<std::string> prepared;
  std::function<bool(const CostRow&)> refuses = [](const CostRow&) { return false; };
  /// What the n-th launch of all takes.
  std::function<TimedLaunch(const CostRow&, int)> launch = [](const CostRow&, int) { return TimedLaunch{0.01, false}; };
};

}  // namespace dflop
