#include <algorithm>
#include <cmath>
#include <lamina/autograd/kernels/cross_entropy.hpp>
#include <lamina/autograd/kernels/loops.hpp>

namespace lamina::kernels {

namespace {

double weight(const CrossEntropySetting& s, std::int64_t c) {
  return s.weights ? s.weights[c] : 1.0;
}

// Where example (o, i) begins among logits, and its place among losses.
struct Example {
  std::int64_t first, index;
};
Example example(const CrossEntropySetting& s, std::int64_t index) {
  const std::int64_t o = index / s.inner, i = index % s.inner;
  return {o * s.classes * s.inner + i, index};
}

// What smoothing gives to every class alike.
double even_share(const CrossEntropySetting& s) {
  return s.smoothing / static_cast<double>(s.classes);
}

struct FromLabel {
  const std::int64_t* labels;
  double even;

  FromLabel(const CrossEntropySetting& s, const std::int64_t* labels)
      : labels(labels), even(even_share(s)) {}

  double operator()(const CrossEntropySetting& s, const Example& e, std::int64_t c) const {
    const std::int64_t label = labels[e.index];
    if (s.ignore && label == *s.ignore) return 0;
    const double sharp = c == label ? weight(s, label) * (1 - s.smoothing) : 0.0;
    return sharp + weight(s, c) * even;
  }
};

template <Scalar T>
struct FromTarget {
  const T* targets;
  double even;

  FromTarget(const CrossEntropySetting& s, const T* targets)
      : targets(targets), even(even_share(s)) {}

  double operator()(const CrossEntropySetting& s, const Example& e, std::int64_t c) const {
    const double t = static_cast<double>(targets[e.first + c * s.inner]);
    return weight(s, c) * (t * (1 - s.smoothing) + even);
  }
};

// function(example) for all of them, some tiles at a time.
template <class Function>
void for_examples(const CrossEntropySetting& s, Function function) {
  const std::int64_t count = s.outer * s.inner;
  const std::int64_t per_tile =
      std::max<std::int64_t>(1, kTile / 8 / std::max<std::int64_t>(s.classes, 1));
  parallel_for((count + per_tile - 1) / per_tile, [&](std::int64_t tile) {
    for (std::int64_t i = tile * per_tile; i < std::min(count, (tile + 1) * per_tile); ++i) {
      function(example(s, i));
    }
  });
}

template <Scalar T>
T largest(const CrossEntropySetting& s, const T* x) {
  T best = x[0];
  for (std::int64_t c = 1; c < s.classes; ++c) best = std::max(best, x[c * s.inner]);
  return best;
}

template <Scalar T>
double sum_of_exponentials(const CrossEntropySetting& s, const T* x, T shift) {
  double total = 0;
  for (std::int64_t c = 0; c < s.classes; ++c) {
    total += static_cast<double>(std::exp(x[c * s.inner] - shift));
  }
  return total;
}

template <Scalar T, class Coefficient>
void losses_of(const CrossEntropySetting& s, const T* logits, const Coefficient& q, T* losses) {
  for_examples(s, [&](const Example& e) {
    const T* x = logits + e.first;
    const T shift = largest(s, x);
    const double log_total = std::log(sum_of_exponentials(s, x, shift));
    double loss = 0;
    for (std::int64_t c = 0; c < s.classes; ++c) {
      const double coefficient = q(s, e, c);
      if (coefficient == 0) continue;
      loss -= coefficient *
              (static_cast<double>(x[c * s.inner]) - static_cast<double>(shift) - log_total);
    }
    losses[e.index] = static_cast<T>(loss);
  });
}

template <Scalar T, class Coefficient>
void gradient_of(const CrossEntropySetting& s, const T* g, const T* logits, const Coefficient& q,
                 T* gradient) {
  for_examples(s, [&](const Example& e) {
    const T* x = logits + e.first;
    T* out = gradient + e.first;
    const T shift = largest(s, x);
    double total = 0;
    for (std::int64_t c = 0; c < s.classes; ++c) {
      out[c * s.inner] = std::exp(x[c * s.inner] - shift);
      total += static_cast<double>(out[c * s.inner]);
    }
    double sum = 0;
    bool counts = false;  // an ignored example does not, whatever its logits are
    for (std::int64_t c = 0; c < s.classes; ++c) {
      const double coefficient = q(s, e, c);
      sum += coefficient;
      counts = counts || coefficient != 0;
    }
    const double above = static_cast<double>(g[e.index]), share = sum / total;
    for (std::int64_t c = 0; c < s.classes; ++c) {
      const double slope = share * static_cast<double>(out[c * s.inner]) - q(s, e, c);
      out[c * s.inner] = counts ? static_cast<T>(above * slope) : T{0};
    }
  });
}

}  // namespace

template <Scalar T>
void softmax_cross_entropy(const CrossEntropySetting& setting, const T* logits,
                           const std::int64_t* labels, T* losses) {
  losses_of(setting, logits, FromLabel(setting, labels), losses);
}

template <Scalar T>
void softmax_cross_entropy(const CrossEntropySetting& setting, const T* logits, const T* targets,
                           T* losses) {
  losses_of(setting, logits, FromTarget<T>(setting, targets), losses);
}

template <Scalar T>
void softmax_cross_entropy_gradient(const CrossEntropySetting& setting, const T* g, const T* logits,
                                    const std::int64_t* labels, T* gradient) {
  gradient_of(setting, g, logits, FromLabel(setting, labels), gradient);
}

template <Scalar T>
void softmax_cross_entropy_gradient(const CrossEntropySetting& setting, const T* g, const T* logits,
                                    const T* targets, T* gradient) {
  gradient_of(setting, g, logits, FromTarget<T>(setting, targets), gradient);
}

template <Scalar T>
void cross_entropy_coefficients(const CrossEntropySetting& setting, const std::int64_t* labels,
                                T* coefficients) {
  const FromLabel q(setting, labels);
  for_examples(setting, [&](const Example& e) {
    for (std::int64_t c = 0; c < setting.classes; ++c) {
      coefficients[e.first + c * setting.inner] = static_cast<T>(q(setting, e, c));
    }
  });
}

template <Scalar T>
Tensor<T> sigmoid_cross_entropy(const Tensor<T>& x, const Tensor<T>& t, const Tensor<T>& p) {
  return zip_to<T>(
      "sigmoid_cross_entropy",
      [](T v, T target, T positive) {
        // (1 - t) softplus(x) + p t softplus(-x), what is large in both taken apart.
        const T tail = std::log1p(std::exp(-std::abs(v)));
        const T of_one = positive * target, of_zero = 1 - target;
        return (of_zero + of_one) * tail + (v < 0 ? -of_one * v : of_zero * v);
      },
      x, t, p);
}

template <Scalar T>
Tensor<T> sigmoid_cross_entropy_slope(const Tensor<T>& x, const Tensor<T>& t, const Tensor<T>& p) {
  return zip_to<T>(
      "sigmoid_cross_entropy",
      [](T v, T target, T positive) {
        // (1 - t) sigmoid(x) - p t sigmoid(-x): neither loses what is small.
        const T e = std::exp(-std::abs(v)), near = 1 / (1 + e), far = e / (1 + e);
        return (1 - target) * (v < 0 ? far : near) - positive * target * (v < 0 ? near : far);
      },
      x, t, p);
}

#define LAMINA_CROSS_ENTROPY(T)                                                                   \
  template void softmax_cross_entropy(const CrossEntropySetting&, const T*, const std::int64_t*,  \
                                      T*);                                                        \
  template void softmax_cross_entropy(const CrossEntropySetting&, const T*, const T*, T*);        \
  template void softmax_cross_entropy_gradient(const CrossEntropySetting&, const T*, const T*,    \
                                               const std::int64_t*, T*);                          \
  template void softmax_cross_entropy_gradient(const CrossEntropySetting&, const T*, const T*,    \
                                               const T*, T*);                                     \
  template void cross_entropy_coefficients(const CrossEntropySetting&, const std::int64_t*, T*);  \
  template Tensor<T> sigmoid_cross_entropy(const Tensor<T>&, const Tensor<T>&, const Tensor<T>&); \
  template Tensor<T> sigmoid_cross_entropy_slope(const Tensor<T>&, const Tensor<T>&,              \
                                                 const Tensor<T>&);
LAMINA_CROSS_ENTROPY(float)
LAMINA_CROSS_ENTROPY(double)
#undef LAMINA_CROSS_ENTROPY

}  // namespace lamina::kernels
