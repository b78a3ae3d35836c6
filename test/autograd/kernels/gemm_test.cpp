// What the ops do not show of the products: strides, adding, epilogues, and extents that
// BLAS refuses.
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <lamina/autograd/kernels/gemm.hpp>

#include "support/numbers.hpp"
#include "support/refusal.hpp"

namespace lamina::kernels {
namespace {

using test::check_close;
using test::random_tensor;

// The block of `rows` by `columns` at the start of matrices with longer rows is written, the rest
// kept.
template <class Multiply>
void check_block(std::int64_t rows, std::int64_t columns, std::int64_t inner, Store store,
                 const Multiply& multiply, Epilogue<double> epilogue = {}) {
  const Tensor<double> a = random_tensor<double>({rows, inner + 3}, 1);
  const Tensor<double> b = random_tensor<double>({inner, columns + 2}, 2);
  Tensor<double> c = random_tensor<double>({rows, columns + 5}, 3);
  Tensor<double> expected = c;
  for (std::int64_t i = 0; i < rows; ++i)
    for (std::int64_t j = 0; j < columns; ++j) {
      double sum = store == Store::add ? c.at({i, j}) : 0;
      for (std::int64_t p = 0; p < inner; ++p) sum += a.at({i, p}) * b.at({p, j});
      if (epilogue.bias) sum += epilogue.bias[j];
      if (epilogue.relu) sum = std::max(sum, 0.0);
      expected.mutable_data()[i * (columns + 5) + j] = sum;
    }
  multiply(rows, columns, inner, MatrixView<double>{a.data(), inner + 3},
           MatrixView<double>{b.data(), columns + 2}, c.mutable_data(), columns + 5, store);
  check_close("product", c, expected, 1e-10);
}

BOOST_AUTO_TEST_SUITE(gemm_kernel)

BOOST_AUTO_TEST_CASE(writes_or_adds_to_a_block_of_a_larger_matrix) {
  const auto pooled = [](auto... operands) { gemm<double>(operands...); };
  for (const Store store : {Store::assign, Store::add}) {
    for (const std::int64_t inner : {0, 1, 5}) {
      check_block(3, 7, inner, store, pooled);
      check_block(3, 7, inner, store, gemm_serial<double>);
    }
    check_block(211, 193, 167, store, pooled);
    check_block(13, 11, 30011, store, pooled);  // in blocks of the sum
  }
}

BOOST_AUTO_TEST_CASE(ends_with_bias_and_relu) {
  const Tensor<double> bias = random_tensor<double>({193}, 4);
  for (const Epilogue<double>& epilogue :
       {Epilogue<double>{.bias = bias.data()}, {.relu = true}, {bias.data(), true}}) {
    const auto multiply = [&](auto... operands) { gemm<double>(operands..., epilogue); };
    for (const Store store : {Store::assign, Store::add}) {
      check_block(3, 7, 0, store, multiply, epilogue);
      check_block(3, 7, 5, store, multiply, epilogue);
      check_block(211, 193, 167, store, multiply, epilogue);
      check_block(13, 11, 30011, store, multiply, epilogue);
    }
  }
}

BOOST_AUTO_TEST_CASE(refuses_extents_beyond_what_blas_counts) {
  const double number = 1;
  double result = 0;
  const std::int64_t huge = std::int64_t{1} << 31;
  test::refuses<ArgumentError>("[gemm] extents must fit in 31 bits; got 2147483648", [&] {
    gemm_serial<double>(1, 1, 1, {&number, huge}, {&number, 1}, &result, 1);
  });
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace lamina::kernels
