// The product of floats on every level of this machine against sums in double: rims, transposes,
// strides, rounding, infinities, threads, and where it is chosen.
#include <fmt/core.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <lamina/autograd/kernels/float_product.hpp>
#include <lamina/autograd/kernels/gemm.hpp>
#include <lamina/autograd/tensor/parallel.hpp>
#include <limits>
#include <string>

#include "support/levels.hpp"
#include "support/numbers.hpp"

namespace lamina::kernels {
namespace {

using test::levels_with_kernels;
using test::random_tensor;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr std::int64_t kGap = 3;  // between the rows in memory

struct Extents {
  std::int64_t rows, columns, inner;
};

// A matrix inside a larger one: what lies around it is NaN.
struct Block {
  Block(std::int64_t rows, std::int64_t columns, bool transposed, std::uint64_t seed)
      : transposed(transposed),
        stride((transposed ? rows : columns) + kGap),
        memory({(transposed ? columns : rows) + 1, stride}, kNan) {
    const Tensor<float> values = random_tensor<float>({rows * columns}, seed);
    for (std::int64_t i = 0; i < rows * columns; ++i) {
      at(i / columns, i % columns) = values.data()[i];
    }
  }

  float& at(std::int64_t row, std::int64_t column) {
    return memory.mutable_data()[transposed ? column * stride + row : row * stride + column];
  }
  float at(std::int64_t row, std::int64_t column) const {
    return memory.data()[transposed ? column * stride + row : row * stride + column];
  }
  MatrixView<float> view() const { return {memory.data(), stride, transposed}; }
  ProductOperand operand() const {
    return {memory.data(), transposed ? 1 : stride, transposed ? stride : 1};
  }

  bool transposed;
  std::int64_t stride;
  Tensor<float> memory;
};

struct Expected {
  Tensor<double> sums;
  Tensor<double> sizes;  // sums of absolute values: what rounding errors are relative to
};

Expected expected_product(const Extents& e, const Block& a, const Block& b) {
  Expected result{Tensor<double>({e.rows, e.columns}, 0), Tensor<double>({e.rows, e.columns}, 0)};
  double* const sums = result.sums.mutable_data();
  double* const sizes = result.sizes.mutable_data();
  for (std::int64_t i = 0; i < e.rows; ++i) {
    for (std::int64_t p = 0; p < e.inner; ++p) {
      const double left = a.at(i, p);
      for (std::int64_t j = 0; j < e.columns; ++j) {
        const double product = left * b.at(p, j);
        sums[i * e.columns + j] += product;
        sizes[i * e.columns + j] += std::abs(product);
      }
    }
  }
  return result;
}

// Chains of at most 256 products, and the sums of chains: one rounding each.
double rounding_bound(std::int64_t inner) {
  const std::int64_t chains = (inner + 255) / 256;
  return static_cast<double>(std::min<std::int64_t>(inner, 256) + chains + 1) *
         std::numeric_limits<float>::epsilon() / 2;
}

// C with memory around it that must keep what it has.
struct Result {
  explicit Result(const Extents& e)
      : stride(e.columns + kGap),
        before(random_tensor<float>({e.rows + 1, stride}, 3)),
        memory(before) {}
  float* data() { return memory.mutable_data(); }

  std::int64_t stride;
  Tensor<float> before, memory;
};

void check_result(const Extents& e, const Result& result, const Expected& expected, bool added) {
  const double bound = rounding_bound(e.inner);
  for (std::int64_t i = 0; i < result.memory.size(); ++i) {
    const std::int64_t row = i / result.stride, column = i % result.stride;
    const double old = result.before.data()[i], now = result.memory.data()[i];
    if (row >= e.rows || column >= e.columns) {
      BOOST_REQUIRE_MESSAGE(now == old, "element " << row << ", " << column << " was written");
      continue;
    }
    const std::int64_t at = row * e.columns + column;
    const double sum = expected.sums.data()[at] + (added ? old : 0);
    const double size = expected.sizes.data()[at] + (added ? std::abs(old) : 0);
    BOOST_REQUIRE_MESSAGE(std::abs(now - sum) <= bound * size,
                          "element " << row << ", " << column << ": " << now << ", expected " << sum
                                     << " within " << bound * size);
  }
}

void check(const Extents& e) {
  for (const bool transposed_a : {false, true}) {
    for (const bool transposed_b : {false, true}) {
      const Block a(e.rows, e.inner, transposed_a, 1), b(e.inner, e.columns, transposed_b, 2);
      const Expected expected = expected_product(e, a, b);
      for (const InstructionSet level : levels_with_kernels()) {
        for (const ProductStore how : {ProductStore::assign, ProductStore::add}) {
          BOOST_TEST_CONTEXT(fmt::format("{}: {} x {} x {}, transposed {} {}, {}", to_string(level),
                                         e.rows, e.columns, e.inner, transposed_a, transposed_b,
                                         how == ProductStore::add ? "add" : "assign")) {
            Result result(e);
            float_product(level)(e.rows, e.columns, e.inner, a.operand(), b.operand(),
                                 result.data(), result.stride, how);
            check_result(e, result, expected, how == ProductStore::add);
          }
        }
      }
    }
  }
}

// Without gaps.
Tensor<float> product(InstructionSet level, const Extents& e, const float* a, const float* b) {
  Tensor<float> c({e.rows, e.columns}, kNan);
  float_product(level)(e.rows, e.columns, e.inner, {a, e.inner, 1}, {b, e.columns, 1},
                       c.mutable_data(), e.columns, ProductStore::assign);
  return c;
}

BOOST_AUTO_TEST_SUITE(float_product_kernel)

BOOST_AUTO_TEST_CASE(takes_every_small_extent_transposed_or_not) {
  for (const std::int64_t rows : {1, 2, 3, 4, 5, 6, 7, 8, 9, 13, 17}) {
    for (const std::int64_t columns : {1, 7, 8, 9, 15, 16, 17, 31, 32, 33, 51}) {
      for (const std::int64_t inner : {1, 3, 8, 11, 16, 18, 33}) check({rows, columns, inner});
    }
  }
}

BOOST_AUTO_TEST_CASE(takes_more_rows_than_a_band_and_longer_sums_than_a_chain) {
  for (const Extents& e : {Extents{257, 35, 31},
                           {600, 17, 40},
                           {19, 70, 257},
                           {11, 33, 777},
                           {5, 40, 513},
                           {263, 67, 269}}) {
    check(e);
  }
}

// In one float chain the sum of 2^16 tenths is wrong in the fourth digit.
BOOST_AUTO_TEST_CASE(sums_in_chains_of_bounded_length) {
  const Extents e{3, 5, std::int64_t{1} << 16};
  const Tensor<float> a({e.rows, e.inner}, 1.0F), b({e.inner, e.columns}, 0.1F);
  const double expected = static_cast<double>(0.1F) * static_cast<double>(e.inner);
  for (const InstructionSet level : levels_with_kernels()) {
    const Tensor<float> sums = product(level, e, a.data(), b.data());
    for (const float value : sums.values()) {
      BOOST_TEST(std::abs(value - expected) <= expected * 4e-6);
    }
  }
}

BOOST_AUTO_TEST_CASE(gives_an_element_the_same_bits_however_the_matrices_are_cut) {
  const Extents e{29, 71, 611};
  const Tensor<float> a = random_tensor<float>({e.rows, e.inner}, 1);
  const Tensor<float> b = random_tensor<float>({e.inner, e.columns}, 2);
  Tensor<float> turned = Tensor<float>::uninitialized({e.columns, e.inner});
  for (std::int64_t i = 0; i < b.size(); ++i) {
    turned.mutable_data()[i % e.columns * e.inner + i / e.columns] = b.data()[i];
  }
  for (const InstructionSet level : levels_with_kernels()) {
    const Tensor<float> whole = product(level, e, a.data(), b.data());
    for (const std::int64_t rows : {1, 4, 11}) {
      for (const std::int64_t columns : {1, 13, 40}) {
        Tensor<float> c({e.rows, e.columns}, kNan);
        for (std::int64_t row = 0; row < e.rows; row += rows) {
          for (std::int64_t column = 0; column < e.columns; column += columns) {
            float_product(level)(
                std::min(rows, e.rows - row), std::min(columns, e.columns - column), e.inner,
                {a.data() + row * e.inner, e.inner, 1},
                {turned.data() + column * e.inner, 1, e.inner},
                c.mutable_data() + row * e.columns + column, e.columns, ProductStore::assign);
          }
        }
        BOOST_TEST(identical(c, whole));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(stores_past_the_caches_what_it_would_store_into_them) {
  for (const Extents& e : {Extents{21, 64, 40}, {21, 64, 400}, {9, 61, 40}}) {
    const Tensor<float> a = random_tensor<float>({e.rows, e.inner}, 1);
    const Tensor<float> b = random_tensor<float>({e.inner, e.columns}, 2);
    for (const InstructionSet level : levels_with_kernels()) {
      const Tensor<float> expected = product(level, e, a.data(), b.data());
      for (const std::int64_t offset : {0, 1}) {  // aligned, and not
        Tensor<float> memory({e.rows * e.columns + offset}, kNan);
        float* const c = memory.mutable_data() + offset;
        float_product(level)(e.rows, e.columns, e.inner, {a.data(), e.inner, 1},
                             {b.data(), e.columns, 1}, c, e.columns, ProductStore::stream);
        BOOST_TEST(std::equal(expected.values().begin(), expected.values().end(), c));
      }
    }
  }
}

// Floats up to a page that nobody may touch.
class GuardedFloats {
 public:
  explicit GuardedFloats(std::int64_t count)
      : page_(static_cast<std::size_t>(sysconf(_SC_PAGESIZE))),
        room_((static_cast<std::size_t>(count) * sizeof(float) / page_ + 1) * page_),
        memory_(mmap(nullptr, room_ + page_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                     -1, 0)) {
    BOOST_REQUIRE(memory_ != MAP_FAILED);
    char* const end = static_cast<char*>(memory_) + room_;
    BOOST_REQUIRE(mprotect(end, page_, PROT_NONE) == 0);
    data_ = reinterpret_cast<float*>(end) - count;
    std::fill_n(data_, count, 1.0F);
  }
  ~GuardedFloats() { munmap(memory_, room_ + page_); }
  GuardedFloats(const GuardedFloats&) = delete;
  GuardedFloats& operator=(const GuardedFloats&) = delete;

  float* data() { return data_; }

 private:
  std::size_t page_, room_;
  void* memory_;
  float* data_;
};

BOOST_AUTO_TEST_CASE(touches_nothing_behind_its_operands) {
  for (const Extents& e : {Extents{9, 35, 20}, {3, 33, 17}, {1, 1, 1}}) {
    GuardedFloats a(e.rows * e.inner), b(e.inner * e.columns), c(e.rows * e.columns);
    for (const InstructionSet level : levels_with_kernels()) {
      for (const ProductOperand& left :
           {ProductOperand{a.data(), e.inner, 1}, {a.data(), 1, e.rows}}) {
        for (const ProductOperand& right :
             {ProductOperand{b.data(), e.columns, 1}, {b.data(), 1, e.inner}}) {
          float_product(level)(e.rows, e.columns, e.inner, left, right, c.data(), e.columns,
                               ProductStore::assign);
          for (std::int64_t i = 0; i < e.rows * e.columns; ++i) {
            BOOST_TEST(c.data()[i] == static_cast<float>(e.inner));
          }
        }
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(lets_infinities_and_nans_go_where_arithmetic_takes_them) {
  const Extents e{9, 35, 20};
  Tensor<float> a = random_tensor<float>({e.rows, e.inner}, 1, 1, 2);
  Tensor<float> b = random_tensor<float>({e.inner, e.columns}, 2, 1, 2);
  for (std::int64_t p = 0; p < e.inner; ++p) a.mutable_data()[5 * e.inner + p] = 0;
  a.mutable_data()[2 * e.inner + 19] = kNan;
  a.mutable_data()[3 * e.inner + 7] = -kInfinity;
  b.mutable_data()[4 * e.columns + 33] = kInfinity;
  for (const InstructionSet level : levels_with_kernels()) {
    const Tensor<float> c = product(level, e, a.data(), b.data());
    for (std::int64_t i = 0; i < c.size(); ++i) {
      const std::int64_t row = i / e.columns;
      const bool infinite_column = i % e.columns == 33;
      const float value = c.data()[i];
      BOOST_TEST_CONTEXT(to_string(level) << ", element " << row << ", " << i % e.columns) {
        if (row == 2 || (infinite_column && (row == 3 || row == 5))) {
          BOOST_TEST(std::isnan(value));  // also 0 times infinity
        } else if (row == 3 || infinite_column) {
          BOOST_TEST(value == (row == 3 ? -kInfinity : kInfinity));
        } else {
          BOOST_TEST((row == 5 ? value == 0 : std::isfinite(value)));
        }
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(is_chosen_where_it_is_faster_than_openblas) {
  const InstructionSet level = instruction_set();
  const FloatProduct own = float_product(level);
  BOOST_TEST((own == nullptr) == (level == InstructionSet::baseline));
  const auto chosen = [&](const Extents& e) {
    const FloatProduct product = faster_float_product(e.rows, e.columns, e.inner);
    BOOST_TEST((product == nullptr || product == own));
    return product != nullptr;
  };
  for (const Extents& e : {Extents{64, 512, 512}, {2, 1024, 1024}, {2048, 32, 512}}) {
    BOOST_TEST(chosen(e) == (own != nullptr), e.rows << " x " << e.columns << " x " << e.inner);
  }
  for (const Extents& e :
       {Extents{128, 512, 784}, {3136, 1024, 128}, {2048, 32, 25}, {2048, 10, 512}}) {
    BOOST_TEST(chosen(e) == (level == InstructionSet::avx512),
               e.rows << " x " << e.columns << " x " << e.inner);
  }
  BOOST_TEST(!chosen({16, 8, 4}));        // small
  BOOST_TEST(!chosen({4096, 512, 10}));   // short sums
  BOOST_TEST(!chosen({4096, 3, 4096}));   // most lanes empty,
  BOOST_TEST(!chosen({4096, 17, 4096}));  // also of the last of two vectors
}

// The door to it: tiles and blocks of the sum are cut, operands turned.
BOOST_AUTO_TEST_CASE(serves_gemm_with_the_same_bits_for_one_and_two_threads) {
  const int before = threads();
  for (const Extents& e :
       {Extents{250, 300, 270}, {64, 64, 20011}, {400, 300, 70}, {1100, 300, 140}}) {
    for (const bool transposed_a : {false, true}) {
      for (const bool transposed_b : {false, true}) {
        const Block a(e.rows, e.inner, transposed_a, 1), b(e.inner, e.columns, transposed_b, 2);
        const Expected expected = expected_product(e, a, b);
        for (const Store store : {Store::assign, Store::add}) {
          Tensor<float> of_one;
          for (int count = 1; count <= 2; ++count) {
            set_threads(count);
            Result result(e);
            gemm<float>(e.rows, e.columns, e.inner, a.view(), b.view(), result.data(),
                        result.stride, store);
            check_result(e, result, expected, store == Store::add);
            if (count == 1) of_one = result.memory;
            BOOST_TEST(identical(of_one, result.memory));
          }
        }
      }
    }
  }
  set_threads(before);
}

// A transposed matrix whose rows lie pages apart is copied first, chain by chain.
BOOST_AUTO_TEST_CASE(serves_gemm_with_the_same_bits_whether_rows_are_far_apart) {
  for (const std::int64_t inner : {140, 256, 257, 700}) {
    const Extents e{300, 160, inner};
    if (faster_float_product(e.rows, e.columns, e.inner) == nullptr) continue;
    const std::int64_t far = 1100;
    const Tensor<float> a = random_tensor<float>({e.inner, far}, 1);
    const Tensor<float> b = random_tensor<float>({e.inner, e.columns}, 2);
    Tensor<float> near({e.inner, e.rows}, kNan);
    for (std::int64_t k = 0; k < e.inner; ++k) {
      std::copy_n(a.data() + k * far, e.rows, near.mutable_data() + k * e.rows);
    }
    Tensor<float> of_far({e.rows, e.columns}, kNan), of_near({e.rows, e.columns}, kNan);
    gemm<float>(e.rows, e.columns, e.inner, {a.data(), far, true}, {b.data(), e.columns},
                of_far.mutable_data(), e.columns);
    gemm<float>(e.rows, e.columns, e.inner, {near.data(), e.rows, true}, {b.data(), e.columns},
                of_near.mutable_data(), e.columns);
    BOOST_TEST(identical(of_far, of_near), "inner " << inner);
  }
}

// 12 MiB: past the caches.
BOOST_AUTO_TEST_CASE(serves_gemm_with_large_results) {
  const Extents e{1536, 2048, 50};
  const FloatProduct own = faster_float_product(e.rows, e.columns, e.inner);
  if (own == nullptr) return;
  const Tensor<float> a = random_tensor<float>({e.rows, e.inner}, 1);
  const Tensor<float> b = random_tensor<float>({e.inner, e.columns}, 2);
  Tensor<float> c({e.rows, e.columns}, kNan);
  gemm<float>(e.rows, e.columns, e.inner, {a.data(), e.inner}, {b.data(), e.columns},
              c.mutable_data(), e.columns);
  BOOST_TEST(identical(c, product(instruction_set(), e, a.data(), b.data())));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace lamina::kernels
