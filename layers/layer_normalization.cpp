#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <lamina/autograd/tensor/error.hpp>
#include <lamina/layers/layer_normalization.hpp>
#include <lamina/layers/normalization_axes.hpp>
#include <optional>

namespace lamina {
namespace {

constexpr const char* kWho = "layer_normalization";

bool contains(const std::vector<int>& axes, int axis) {
  return std::binary_search(axes.begin(), axes.end(), axis);
}

Shape extents_of(const Shape& input, const std::vector<int>& axes) {
  std::vector<std::int64_t> extents;
  for (const int a : axes) extents.push_back(input[a]);
  return Shape(std::span<const std::int64_t>(extents));
}

// The runs of neighbouring axes take the five extents in turn, from the last: inner is reduced,
// channels is kept, and so on. Nothing where there are more runs.
std::optional<NormLayout> layout_in_place(const Shape& input, const std::vector<int>& reduced) {
  NormLayout layout;
  const std::array extents = {&layout.inner, &layout.channels, &layout.middle, &layout.groups,
                              &layout.outer};
  std::size_t run = 0;
  for (int a = input.rank() - 1; a >= 0; --a) {
    const bool run_is_reduced = run % 2 == 0;
    if (contains(reduced, a) != run_is_reduced) ++run;
    if (run == extents.size()) return std::nullopt;
    *extents[run] *= input[a];
  }
  return layout;
}

template <Scalar T>
Variable<T> normalized(const Variable<T>& x, const std::vector<int>& reduced, double epsilon) {
  if (const auto layout = layout_in_place(x.shape(), reduced)) {
    return normalize_samples(x, *layout, epsilon);
  }
  std::vector<std::int64_t> kept;
  for (int a = 0; a < x.rank(); ++a) {
    if (!contains(reduced, a)) kept.push_back(a);
  }
  const NormalizationAxes axes(kept, x.shape());
  return axes.restored(normalize_samples(axes.arranged(x), axes.layout(), epsilon));
}

}  // namespace

void LayerNormalizationOptions::visit(OptionVisitor& visitor) {
  visitor("axis", axis);
  visit_sample_normalization(visitor, *this);
}

template <Scalar T>
LayerNormalization<T>::LayerNormalization(LayerNormalizationOptions options)
    : SampleNormalization<T, LayerNormalizationOptions>(kWho, std::move(options)) {
  if (!this->options_.axis.empty()) return;
  throw ArgumentError(kWho, "axis must name at least one axis; got an empty list");
}

template <Scalar T>
std::vector<int> LayerNormalization<T>::axes_in(const Shape& input) const {
  std::vector<int> axes = resolved_axes(kWho, this->options_.axis, input);
  const auto built = this->built_shape();
  if (!built || *built == extents_of(input, axes)) return axes;
  throw ShapeError(kWho, fmt::format("the normalized axes must have the extents {}; got input {}",
                                     built->to_string(), input.to_string()));
}

template <Scalar T>
void LayerNormalization<T>::build(const Shape& input, Builder<T>& builder) {
  this->build_parameters(extents_of(input, axes_in(input)), builder);
}

template <Scalar T>
Variable<T> LayerNormalization<T>::forward(const Variable<T>& x, const Context<T>& ctx) const {
  const Variable<T> x_hat = normalized(x, axes_in(x.shape()), this->options_.epsilon);
  const NormalizationAxes axes(this->options_.axis, x.shape());
  return axes.restored(scale_and_shift(axes.arranged(x_hat), axes.layout(), this->gamma_beta(ctx)));
}

template class LayerNormalization<float>;
template class LayerNormalization<double>;

}  // namespace lamina
