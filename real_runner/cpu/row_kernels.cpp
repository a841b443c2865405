// Plain loops that the compiler makes vectors of; angles of the rotary embedding follow from each other by rotation.
#include "real_runner/cpu/row_kernels.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "real_runner/kernels/operations.hpp"

namespace dflop::cpu {
namespace {

float ReciprocalRms(const float* x, Count width) {
  float squares = 0;
  for (Count c = 0; c < width; ++c) squares += x[c] * x[c];
  return 1 / std::sqrt(squares / static_cast<float>(width) + static_cast<float>(kNormEpsilon));
}

float Sigmoid(float x) { return 1 / (1 + std::exp(-x)); }

/// d silu(x) / dx.
float SiluSlope(float x) {
  const float s = Sigmoid(x);
  return s * (1 + x * (1 - s));
}

/// Cosines and sines of position·base^(−i/pairs) for the positions in turn. Each follows from the last by one rotation;
/// every few positions they are computed anew, so that rounding errors do not add up.
class Angles {
 public:
  explicit Angles(Count pairs) : steps_(Size(pairs)), cosines_(Size(pairs)), sines_(Size(pairs)) {
    step_cosines_.resize(Size(pairs));
    step_sines_.resize(Size(pairs));
    for (Count i = 0; i < pairs; ++i) {
      steps_[Size(i)] = std::pow(kRotaryBase, -static_cast<double>(i) / static_cast<double>(pairs));
      step_cosines_[Size(i)] = static_cast<float>(std::cos(steps_[Size(i)]));
      step_sines_[Size(i)] = static_cast<float>(std::sin(steps_[Size(i)]));
    }
  }

  /// Positions must come in the order 0, 1, 2, …
  void MoveTo(Count position) {
    constexpr Count kAnew = 64;
    const std::size_t pairs = steps_.size();
    if (position % kAnew == 0) {
      for (std::size_t i = 0; i < pairs; ++i) {
        const double angle = static_cast<double>(position) * steps_[i];
        cosines_[i] = static_cast<float>(std::cos(angle));
        sines_[i] = static_cast<float>(std::sin(angle));
      }
      return;
    }
    for (std::size_t i = 0; i < pairs; ++i) {
      const float cosine = cosines_[i] * step_cosines_[i] - sines_[i] * step_sines_[i];
      sines_[i] = sines_[i] * step_cosines_[i] + cosines_[i] * step_sines_[i];
      cosines_[i] = cosine;
    }
  }

  const float* cosines() const { return cosines_.data(); }
  const float* sines() const { return sines_.data(); }

 private:
  static std::size_t Size(Count count) { return static_cast<std::size_t>(count); }

  std::vector<double> steps_;
  std::vector<float> cosines_, sines_, step_cosines_, step_sines_;
};

struct RowOfExponentials {
  float highest;
  float sum;
};

/// y = exp(x − the row's highest).
RowOfExponentials Exponentials(const float* x, float* y, Count width) {
  float highest = x[0];
  for (Count c = 1; c < width; ++c) highest = std::max(highest, x[c]);
  float sum = 0;
  for (Count c = 0; c < width; ++c) {
    y[c] = std::exp(x[c] - highest);
    sum += y[c];
  }
  return {highest, sum};
}

}  // namespace

void NormForward(const float* x, const float* weight, float* y, Count rows, Count width) {
  for (Count r = 0; r < rows; ++r, x += width, y += width) {
    const float scale = ReciprocalRms(x, width);
    for (Count c = 0; c < width; ++c) y[c] = x[c] * scale * weight[c];
  }
}

// With s = 1/rms(x): dx = s·(dy·g − x·s²·mean(dy·g·x)), dg = Σ dy·x·s.
void NormBackward(const float* dy, const float* x, const float* weight, float* dx, float* dweight, Count rows,
                  Count width) {
  for (Count r = 0; r < rows; ++r, x += width, dy += width, dx += width) {
    const float scale = ReciprocalRms(x, width);
    float product = 0;
    for (Count c = 0; c < width; ++c) product += dy[c] * weight[c] * x[c];
    const float pull = product * scale * scale / static_cast<float>(width);
    for (Count c = 0; c < width; ++c) {
      const float gradient = dy[c];
      dweight[c] += gradient * x[c] * scale;
      dx[c] = scale * (gradient * weight[c] - x[c] * pull);
    }
  }
}

void GatedSilu(const float* u, const float* v, float* y, Count rows, Count width, Count stride) {
  for (Count r = 0; r < rows; ++r, u += stride, v += stride, y += width) {
    for (Count c = 0; c < width; ++c) y[c] = u[c] * Sigmoid(u[c]) * v[c];
  }
}

void GatedSiluBackward(const float* dy, const float* u, const float* v, float* du, float* dv, Count rows, Count width,
                       Count stride) {
  for (Count r = 0; r < rows; ++r) {
    for (Count c = 0; c < width; ++c) {
      du[c] = dy[c] * v[c] * SiluSlope(u[c]);
      dv[c] = dy[c] * u[c] * Sigmoid(u[c]);
    }
    u += stride, v += stride, du += stride, dv += stride, dy += width;
  }
}

void Silu(const float* u, float* y, Count values) {
  for (Count i = 0; i < values; ++i) y[i] = u[i] * Sigmoid(u[i]);
}

void SiluBackward(const float* dy, const float* u, float* du, Count values) {
  for (Count i = 0; i < values; ++i) du[i] = dy[i] * SiluSlope(u[i]);
}

void Rotate(const float* x, float* y, const RotaryRows& rows) {
  const Count pairs = rows.width / 2;
  Angles angles(pairs);
  const float* cosines = angles.cosines();
  const float* sines = angles.sines();
  for (Count position = 0; position < rows.positions; ++position) {
    angles.MoveTo(position);
    for (Count head = 0; head < rows.heads; ++head) {
      const float* from = x + position * rows.stride + head * rows.width;
      float* to = y + position * rows.stride + head * rows.width;
      for (Count i = 0; i < pairs; ++i) {
        const float first = from[i];
        const float second = from[i + pairs];
        const float sine = rows.direction * sines[i];
        to[i] = first * cosines[i] - second * sine;
        to[i + pairs] = second * cosines[i] + first * sine;
      }
    }
  }
}

void Add(const float* a, const float* b, float* y, Count values) {
  for (Count i = 0; i < values; ++i) y[i] = a[i] + b[i];
}

void Softmax(const float* x, float* y, Count rows, Count width) {
  for (Count r = 0; r < rows; ++r, x += width, y += width) {
    const float scale = 1 / Exponentials(x, y, width).sum;
    for (Count c = 0; c < width; ++c) y[c] *= scale;
  }
}

void Embed(const float* table, const float* ids, float* y, Count rows, Count width) {
  for (Count r = 0; r < rows; ++r) Copy(table + static_cast<Count>(ids[r]) * width, y + r * width, width);
}

void EmbedBackward(const float* dy, const float* ids, float* dtable, Count rows, Count width) {
  for (Count r = 0; r < rows; ++r, dy += width) {
    float* row = dtable + static_cast<Count>(ids[r]) * width;
    for (Count c = 0; c < width; ++c) row[c] += dy[c];
  }
}

void MeanOfRows(const float* x, float* y, Count rows, Count width) {
  Copy(x, y, width);
  if (rows == 1) return;
  for (Count r = 1; r < rows; ++r) {
    for (Count c = 0; c < width; ++c) y[c] += x[r * width + c];
  }
  const float share = 1 / static_cast<float>(rows);
  for (Count c = 0; c < width; ++c) y[c] *= share;
}

void MeanOfRowsBackward(const float* dy, float* dx, Count rows, Count width) {
  const float share = 1 / static_cast<float>(rows);
  for (Count r = 0; r < rows; ++r) {
    for (Count c = 0; c < width; ++c) dx[r * width + c] += share * dy[c];
  }
}

void Copy(const float* x, float* y, Count values) {
  if (values > 0) std::memcpy(y, x, static_cast<std::size_t>(values) * sizeof(float));  // nothing may have no address
}

void CrossEntropy(const float* logits, const float* targets, const float* weights, float* losses, float* dlogits,
                  Count tokens, Count vocab) {
  for (Count t = 0; t < tokens; ++t, logits += vocab, dlogits += vocab) {
    const RowOfExponentials row = Exponentials(logits, dlogits, vocab);
    const float weight = weights == nullptr ? 1 : weights[t];
    const float scale = weight / row.sum;
    for (Count c = 0; c < vocab; ++c) dlogits[c] *= scale;
    const auto target = static_cast<Count>(targets[t]);
    losses[t] = row.highest + std::log(row.sum) - logits[target];
    dlogits[target] -= weight;
  }
}

void AdamW(float* weights, float* m, float* v, const float* gradient, float* low, Count values, int step) {
  const auto beta1 = static_cast<float>(kAdam.beta1);
  const auto beta2 = static_cast<float>(kAdam.beta2);
  const auto unbias1 = static_cast<float>(1 / (1 - std::pow(kAdam.beta1, step)));
  const auto unbias2 = static_cast<float>(1 / (1 - std::pow(kAdam.beta2, step)));
  const auto rate = static_cast<float>(kAdam.learning_rate);
  const auto keep = static_cast<float>(1 - kAdam.learning_rate * kAdam.weight_decay);
  const auto epsilon = static_cast<float>(kAdam.epsilon);
  const auto stepped = [=](Count i) {
    m[i] = beta1 * m[i] + (1 - beta1) * gradient[i];
    v[i] = beta2 * v[i] + (1 - beta2) * gradient[i] * gradient[i];
    return weights[i] = keep * weights[i] - rate * m[i] * unbias1 / (std::sqrt(v[i] * unbias2) + epsilon);
  };
  if (low == nullptr) {
    for (Count i = 0; i < values; ++i) stepped(i);
  } else {
    for (Count i = 0; i < values; ++i) low[i] = stepped(i);
  }
}

}  // namespace dflop::cpu
