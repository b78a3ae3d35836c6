#include <algorithm>
#include <lamina/autograd/kernels/float_product.hpp>
#include <lamina/autograd/kernels/of_level.hpp>

namespace lamina::kernels {

namespace {

// Up to here OpenBLAS has kernels for small matrices, which lay nothing out.
constexpr std::int64_t kSmallProduct = std::int64_t{1} << 20;

// The conditions were measured against OpenBLAS's kernels for the same instruction set. A short sum
// ends before its tile of registers has paid for its loads and stores, and columns that leave most
// of a vector empty are waste.

bool avx512_is_faster(std::int64_t columns, std::int64_t inner) {
  const std::int64_t in_vectors = (columns + 15) / 16 * 16;
  return inner >= (columns <= 64 ? 16 : 48) && columns >= 6 &&
         (columns <= 16 || 10 * columns >= 7 * in_vectors);
}

// OpenBLAS is as good where it may lay out matrices for many rows and columns.
bool avx2_is_faster(std::int64_t rows, std::int64_t columns, std::int64_t inner) {
  return inner >= 128 && ((rows <= 64 && columns > 32) || (columns <= 32 && columns % 16 == 0));
}

}  // namespace

std::int64_t product_chain(std::int64_t inner) {
  const std::int64_t chains =
      std::max<std::int64_t>(1, (inner + kProductChain - 1) / kProductChain);
  if (chains == 1) return inner;
  const std::int64_t equal = (inner + chains - 1) / chains;
  return (equal + kProductChainUnit - 1) / kProductChainUnit * kProductChainUnit;
}

FloatProduct float_product(InstructionSet level) { return LAMINA_OF_LEVEL(level, matrix_product); }

FloatProduct faster_float_product(std::int64_t rows, std::int64_t columns, std::int64_t inner) {
  if (rows * columns * inner < kSmallProduct) return nullptr;
  const InstructionSet level = instruction_set();
  const bool faster = level == InstructionSet::avx512 ? avx512_is_faster(columns, inner)
                                                      : avx2_is_faster(rows, columns, inner);
  return faster ? float_product(level) : nullptr;
}

}  // namespace lamina::kernels
