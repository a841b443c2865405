// off: predictions stay as they are.
#include "policies/correction.hpp"
#include "policies/registry.hpp"

namespace dflop {
namespace {

class NoCorrection final : public Correction {
 public:
  double Factor(int, double) const override { return 1.0; }
  void Observe(const Timeline&, const Timeline&) override {}
};

const Registration<Correction> kOff{{"off", "predictions stay as they are", {}},
                                    [](const JsonReader&) { return std::make_unique<NoCorrection>(); }};

}  // namespace
}  // namespace dflop
