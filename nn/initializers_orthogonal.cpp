// The orthogonal initializer stands by itself: nothing else needs the headers of linear algebra.
#include <lamina/autograd/tensor/xtensor_gate.hpp>
// The gate must come first.
#include <lamina/autograd/kernels/gemm.hpp>
#include <lamina/autograd/tensor/error.hpp>
#include <lamina/nn/detail/argument.hpp>
#include <lamina/nn/initializers.hpp>
#include <xtensor-blas/xlinalg.hpp>

namespace lamina {

namespace {

// Both types draw in double: the float weights are the double ones, rounded.
class Orthogonal : public InitializerFunction {
 public:
  explicit Orthogonal(double gain) : gain_(gain) {}
  Tensor<float> make(const Shape& shape, const RandomStream& random, float) const override {
    return draw(shape, random).cast<float>();
  }
  Tensor<double> make(const Shape& shape, const RandomStream& random, double) const override {
    return draw(shape, random);
  }
  Description describe() const override { return {"orthogonal", {{"gain", gain_}}}; }

 private:
  // Q of a normal matrix, its columns turned so that R's diagonal is positive: then Q is uniform
  // among the orthogonal matrices (Mezzadri, 2007).
  Tensor<double> draw(const Shape& shape, const RandomStream& random) const {
    if (shape.rank() < 2) {
      throw ShapeError("orthogonal",
                       "the shape must have at least 2 axes; got " + shape.to_string());
    }
    Tensor<double> result = Tensor<double>::uninitialized(shape);
    if (shape.size() == 0) return result;
    const std::int64_t columns = shape[-1], rows = shape.size() / columns;
    const std::int64_t longer = std::max(rows, columns), shorter = std::min(rows, columns);

    xt::xtensor<double, 2, xt::layout_type::column_major> normals(
        {static_cast<std::size_t>(longer), static_cast<std::size_t>(shorter)});
    for (std::int64_t i = 0; i < longer; ++i) {
      for (std::int64_t j = 0; j < shorter; ++j) {
        normals(i, j) = random.normal(static_cast<std::uint64_t>(i * shorter + j));
      }
    }
    kernels::use_one_blas_thread();
    const auto factors = xt::linalg::qr(normals);
    const auto& q = std::get<0>(factors);
    const auto& r = std::get<1>(factors);

    double* values = result.mutable_data();
    for (std::int64_t j = 0; j < shorter; ++j) {
      const double factor = r(j, j) < 0 ? -gain_ : gain_;
      for (std::int64_t i = 0; i < longer; ++i) {
        values[rows >= columns ? i * columns + j : j * columns + i] = factor * q(i, j);
      }
    }
    return result;
  }

  double gain_;
};

}  // namespace

Initializer orthogonal(double gain) {
  require_finite("orthogonal", "gain", gain);
  return Initializer(std::make_shared<Orthogonal>(gain));
}

}  // namespace lamina
