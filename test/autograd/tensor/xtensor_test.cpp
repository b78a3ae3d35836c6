#include <boost/test/unit_test.hpp>
#include <lamina/autograd/tensor/error.hpp>
#include <lamina/autograd/tensor/xtensor.hpp>
#include <string>

using namespace lamina;

namespace {

Tensor<double> counting(const Shape& shape) {
  Tensor<double> tensor = Tensor<double>::uninitialized(shape);
  for (std::int64_t i = 0; i < tensor.size(); ++i)
    tensor.mutable_data()[i] = static_cast<double>(i);
  return tensor;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(xtensor_interop)

BOOST_AUTO_TEST_CASE(evaluated_expressions_keep_their_rank) {
  for (const std::size_t rank : {1u, 2u, 3u, 5u, 6u}) {
    const xt::xarray<double> a = xt::ones<double>(std::vector<std::size_t>(rank, 2));
    const xt::xarray<double> sum = xt::eval(a + a);
    BOOST_TEST(sum.dimension() == rank);
    const xt::xarray<double> turned = xt::eval(xt::transpose(a));
    BOOST_TEST(turned.dimension() == rank);
    const xt::xarray<double> reduced = xt::sum(a, {0}, xt::evaluation_strategy::immediate);
    BOOST_TEST(reduced.dimension() == rank - 1);
    const xt::xarray<double> variance = xt::variance(a, {0});
    BOOST_TEST(variance.dimension() == rank - 1);
  }
}

BOOST_AUTO_TEST_CASE(adaptors_share_the_memory) {
  Tensor<double> tensor = counting({2, 3, 5});
  const Tensor<double> before = tensor;
  const auto read = as_xtensor(before);
  BOOST_TEST((read.data() == before.data()));
  BOOST_TEST(read(1, 2, 4) == 29.0);
  auto write = as_xtensor(tensor);
  BOOST_TEST((write.data() == tensor.data()));
  BOOST_TEST(!tensor.shares_storage_with(before));
  write(1, 2, 4) = -1.0;
  BOOST_TEST(tensor.at({1, 2, 4}) == -1.0);
  BOOST_TEST(before.at({1, 2, 4}) == 29.0);
  auto again = as_xtensor(tensor);
  BOOST_TEST((again.data() == write.data()));
  static_assert(std::is_const_v<std::remove_reference_t<decltype(read(0, 0, 0))>>);
}

BOOST_AUTO_TEST_CASE(expressions_become_tensors) {
  const Tensor<double> a = counting({2, 3, 5});
  const Tensor<double> sums = from_xtensor(xt::sum(as_xtensor(a), {1}));
  BOOST_TEST(sums.shape().to_string() == "(2, 5)");
  BOOST_TEST(sums.at({1, 4}) == 19.0 + 24.0 + 29.0);
  const auto view = as_xtensor(a);
  const Tensor<double> turned = from_xtensor(xt::transpose(view));
  BOOST_TEST(turned.shape().to_string() == "(5, 3, 2)");
  BOOST_TEST(turned.at({4, 2, 1}) == 29.0);
  BOOST_TEST(turned.at({4, 0, 1}) == 19.0);
  const Tensor<std::int64_t> whole = from_xtensor<std::int64_t>(view * 2.0);
  BOOST_TEST(whole.at({1, 2, 4}) == 58);
}

BOOST_AUTO_TEST_CASE(column_major_containers_become_row_major) {
  xt::xarray<double, xt::layout_type::column_major> a = {{1, 2, 3}, {4, 5, 6}};
  const Tensor<double> tensor = from_xtensor(a);
  BOOST_TEST(identical(tensor, Tensor<double>({2, 3}, {1, 2, 3, 4, 5, 6})));
}

BOOST_AUTO_TEST_CASE(scalars_and_empty_tensors_pass) {
  const Tensor<double> scalar = Tensor<double>::scalar(7);
  const Tensor<double> twice = from_xtensor(as_xtensor(scalar) * 2.0);
  BOOST_TEST(twice.rank() == 0);
  BOOST_TEST(twice.item() == 14.0);
  const Tensor<float> empty(Shape{3, 0, 2}, 1.0f);
  const Tensor<float> copy = from_xtensor(as_xtensor(empty) + 1.0f);
  BOOST_TEST(copy.shape().to_string() == "(3, 0, 2)");
}

BOOST_AUTO_TEST_CASE(undefined_tensors_and_high_ranks_are_refused) {
  const Tensor<float> undefined;
  BOOST_CHECK_EXCEPTION(as_xtensor(undefined), ShapeError, [](const Error& error) {
    return std::string(error.what()) ==
           "[as_xtensor] the tensor must be defined; got a default-constructed one";
  });
  const xt::xarray<double> nine = xt::ones<double>(std::vector<std::size_t>(9, 1));
  BOOST_CHECK_EXCEPTION(from_xtensor(nine), ShapeError, [](const Error& error) {
    return std::string(error.what()) ==
           "[shape] a tensor must have at most 8 axes; got 9, expected 0 to 8";
  });
}

BOOST_AUTO_TEST_SUITE_END()
