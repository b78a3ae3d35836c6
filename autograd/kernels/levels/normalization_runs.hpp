// The sums of normalization_loops.hpp over runs: adjacent elements of one channel. For the files of
// levels/ alone.
#pragma once

#include <lamina/autograd/kernels/levels/normalization_loops.hpp>
#include <lamina/autograd/kernels/levels/strip.hpp>

namespace lamina::kernels {
namespace {

// function(r, i, lanes...): body(group, lanes, r, i) for four vectors from element i of run r on,
// or one, or what is left of one.
template <class Body>
LAMINA_INLINE void for_run_groups(const BlockRuns& runs, Body body) {
  for (int r = 0; r < runs.count; ++r) {
    std::int64_t i = 0;
    for (; i + 4 * kLanes <= runs.length; i += 4 * kLanes) body(Constant<4>{}, Full{}, r, i);
    for (; i + kLanes <= runs.length; i += kLanes) body(Constant<1>{}, Full{}, r, i);
    if (i < runs.length) body(Constant<1>{}, First{first_lanes(runs.length - i)}, r, i);
  }
}

template <bool weighted>
LAMINA_INLINE RunMoments run_moments_of(const float* x, const BlockRuns& runs, double count) {
  // Values and weights of vector k of a group; what has no weight has no value.
  const auto value = [&](auto lanes, int r, std::int64_t i) {
    return lanes.load(x + runs.offset[r] + i);
  };
  const auto weight = [&](auto lanes, int r, std::int64_t i) {
    return lanes.load(runs.weights + runs.place[r] + i);
  };
  Vector total = broadcast(0);
  for_run_groups(runs, [&](auto group, auto lanes, int r, std::int64_t begin) {
    Vector v[int{group}];
    unroll<group>([&](auto k) {
      const std::int64_t i = begin + k * kLanes;
      v[k] = value(lanes, r, i);
      if constexpr (weighted) {
        const Vector w = weight(lanes, r, i);
        v[k] = w * kept(not_zero(w), v[k]);
      }
    });
    total += tree_sum(v);
  });
  const float shift = lane_sum(total) * static_cast<float>(1 / count);
  Vector sum = broadcast(0), squares = broadcast(0);
  for_run_groups(runs, [&](auto group, auto lanes, int r, std::int64_t begin) {
    Vector d[int{group}], weighted_d[int{group}];
    unroll<group>([&](auto k) {
      const std::int64_t i = begin + k * kLanes;
      d[k] = weighted_d[k] = lanes.kept(value(lanes, r, i) - broadcast(shift));
      if constexpr (weighted) {
        const Vector w = weight(lanes, r, i);
        d[k] = kept(not_zero(w), d[k]);
        weighted_d[k] = w * d[k];
      }
    });
    sum += tree_sum(weighted_d);
    squares += tree_dot(weighted_d, d);
  });
  return {shift, lane_sum(sum), lane_sum(squares)};
}

RunMoments run_moments(const float* x, const BlockRuns& runs, double count) {
  return runs.weights ? run_moments_of<true>(x, runs, count)
                      : run_moments_of<false>(x, runs, count);
}

template <bool weighted, bool gated>
LAMINA_INLINE RunGradientSums run_gradients_of(const float* x, const float* dy,
                                               const BlockRuns& runs, float high, ReluGate gate) {
  const Vector h = broadcast(high);
  const Vector factor = broadcast(gated ? *gate.factor : 0.0F);
  const Vector constant = broadcast(gated ? *gate.constant : 0.0F);
  Vector first = broadcast(0), second = broadcast(0);
  for_run_groups(runs, [&](auto group, auto lanes, int r, std::int64_t begin) {
    Vector g[int{group}], d[int{group}], factor_of_d[int{group}];
    unroll<group>([&](auto k) {
      const std::int64_t i = begin + k * kLanes;
      const Vector value = lanes.load(x + runs.offset[r] + i);
      g[k] = lanes.load(dy + runs.offset[r] + i);
      d[k] = value - h;
      if constexpr (gated) g[k] = kept(positive_or_nan(add_product(d[k], factor, constant)), g[k]);
      Mask looked_at = not_zero(g[k]);
      if constexpr (weighted) {
        const Vector w = lanes.load(runs.weights + runs.place[r] + i);
        looked_at = both(looked_at, either(finite(value), not_zero(w)));
      }
      d[k] = kept(looked_at, d[k]);
      factor_of_d[k] = kept(looked_at, g[k]);
    });
    first += tree_sum(g);
    second += tree_dot(factor_of_d, d);
  });
  return {lane_sum(first), lane_sum(second)};
}

RunGradientSums run_gradients(const float* x, const float* dy, const BlockRuns& runs, float high,
                              ReluGate gate) {
  if (gate.factor) return run_gradients_of<false, true>(x, dy, runs, high, gate);
  if (runs.weights) return run_gradients_of<true, false>(x, dy, runs, high, gate);
  return run_gradients_of<false, false>(x, dy, runs, high, gate);
}

}  // namespace
}  // namespace lamina::kernels
