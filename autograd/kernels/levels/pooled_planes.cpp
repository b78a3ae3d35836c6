// The loops of pooled_planes.hpp for the instruction set that this file is compiled for. Lanes are
// windows side by side.
#include <lamina/autograd/kernels/levels/integers.hpp>
#include <lamina/autograd/kernels/levels/pairs.hpp>
#include <lamina/autograd/kernels/levels/pooled_planes.hpp>
#include <lamina/autograd/kernels/levels/winner.hpp>

namespace lamina::kernels {
namespace {

// As many windows as a vector has lanes: one vector of y, two of each row of x.
struct AllWindows {
  LAMINA_INLINE Vector load_y(const float* from) const { return load(from); }
  LAMINA_INLINE void store_y(float* to, Vector value) const { store(to, value); }
  LAMINA_INLINE Pair load_x(const float* from) const { return {load(from), load(from + kLanes)}; }
  LAMINA_INLINE void store_x(float* to, Pair value) const {
    store(to, value.first);
    store(to + kLanes, value.second);
  }
};
// Fewer windows.
struct FirstWindows {
  Mask y, first, second;

  LAMINA_INLINE explicit FirstWindows(std::int64_t count)
      : y(first_lanes(count)),
        first(first_lanes(smaller(2 * count, kLanes))),
        second(first_lanes(larger(2 * count - kLanes, 0))) {}
  LAMINA_INLINE Vector load_y(const float* from) const { return load(y, from); }
  LAMINA_INLINE void store_y(float* to, Vector value) const { store(y, to, value); }
  LAMINA_INLINE Pair load_x(const float* from) const {
    return {load(first, from), load(second, from + kLanes)};
  }
  LAMINA_INLINE void store_x(float* to, Pair value) const {
    store(first, to, value.first);
    store(second, to + kLanes, value.second);
  }
};

// body(windows, place in x of the first upper left element, place in y) for all windows.
template <class Body>
LAMINA_INLINE void for_windows(const PlaneRows& plane, Body body) {
  const std::int64_t windows = plane.columns / 2, whole = windows / kLanes * kLanes;
  const FirstWindows rest(windows - whole);
  for (std::int64_t row = 0; row < plane.rows; ++row) {
    const std::int64_t x = 2 * row * plane.columns, y = row * windows;
    for (std::int64_t i = 0; i < whole; i += kLanes) body(AllWindows{}, x + 2 * i, y + i);
    if (whole < windows) body(rest, x + 2 * whole, y + whole);
  }
}

template <class Windows>
LAMINA_INLINE Window load_window(const Windows& windows, const float* upper, std::int64_t columns) {
  const Pair above = take_apart(windows.load_x(upper));
  const Pair below = take_apart(windows.load_x(upper + columns));
  return {above.first, above.second, below.first, below.second};
}

LAMINA_INLINE Scaling scaling_of(const ScaleCoefficients& k) {
  return {broadcast(*k.high), broadcast(*k.factor), broadcast(*k.constant)};
}

void pool(const PlaneRows& plane, const ScaleCoefficients& k, float* y) {
  const Scaling scaling = scaling_of(k);
  for_windows(plane, [&](const auto& windows, std::int64_t at, std::int64_t to) {
    Window w = load_window(windows, plane.x + at, plane.columns);
    unroll<4>([&](auto i) { w.at[i] = scaling.of<false>(w.at[i]); });
    windows.store_y(y + to, positive_part(largest(w)));
  });
}

void add_gradients(const PlaneRows& plane, const float* dy, const ScaleCoefficients& k,
                   double* sum_dy, double* sum_dy_high) {
  // Longer chains of additions would round more.
  constexpr int kChain = 32;
  const Scaling scaling = scaling_of(k);
  Vector first = broadcast(0), second = broadcast(0);
  int summed = 0;
  const auto flush = [&] {
    *sum_dy += static_cast<double>(lane_sum(first));
    *sum_dy_high += static_cast<double>(lane_sum(second));
    first = second = broadcast(0);
    summed = 0;
  };
  for_windows(plane, [&](const auto& windows, std::int64_t at, std::int64_t from) {
    const Winner winner = winner_of(load_window(windows, plane.x + at, plane.columns), scaling);
    const Vector g = kept(winner.any, windows.load_y(dy + from));
    first += g;
    second = add_product(g, kept(not_zero(g), of_winner(winner, winner.centred)), second);
    if (++summed == kChain) flush();
  });
  flush();
}

void combine_rest(const float* x, std::int64_t count, const GradientCoefficients& k, float* dx) {
  const Scaling through = scaling_of({k.high, k.of_x, k.constant});
  const Vector of_all = broadcast(-*k.of_all);
  for_lanes(count, [&](auto lanes, std::int64_t i) {
    lanes.store(dx + i, through.of<false>(lanes.load(x + i)) * of_all);
  });
}

void combine(const PlaneRows& plane, const float* dy, const GradientCoefficients& k, ReluGate gate,
             float* dx) {
  // What decided the winner, and what comes through the statistics.
  const Scaling scaling = scaling_of({k.high, k.of_all, gate.constant});
  const Scaling through = scaling_of({k.high, k.of_x, k.constant});
  for_windows(plane, [&](const auto& windows, std::int64_t at, std::int64_t from) {
    const Winner winner = winner_of(load_window(windows, plane.x + at, plane.columns), scaling);
    const Vector g = windows.load_y(dy + from);
    Window out;
    unroll<4>([&](auto i) {
      const Vector subtracted = through.of_centred(winner.centred.at[i]);
      out.at[i] = (kept(winner.at[i], g) - subtracted) * scaling.factor;
    });
    windows.store_x(dx + at, put_together({out.at[0], out.at[1]}));
    windows.store_x(dx + at + plane.columns, put_together({out.at[2], out.at[3]}));
  });
  if (plane.columns % 2 == 0) return;
  for (std::int64_t row = 0; row < 2 * plane.rows; ++row) {
    const std::int64_t last = (row + 1) * plane.columns - 1;
    combine_rest(plane.x + last, 1, k, dx + last);
  }
}

constexpr PooledPlanes kPlanes = {
    .pool = pool, .add_gradients = add_gradients, .combine = combine, .combine_rest = combine_rest};

}  // namespace

const PooledPlanes* LAMINA_LEVEL::pooled_planes() { return &kPlanes; }

}  // namespace lamina::kernels
