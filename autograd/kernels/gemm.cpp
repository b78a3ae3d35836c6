#include <cblas.h>

#include <algorithm>
#include <lamina/autograd/kernels/blas_core.hpp>
#include <lamina/autograd/kernels/float_product.hpp>
#include <lamina/autograd/kernels/gemm.hpp>
#include <lamina/autograd/kernels/scratch.hpp>
#include <lamina/autograd/tensor/error.hpp>
#include <lamina/autograd/tensor/parallel.hpp>
#include <limits>
#include <string>
#include <type_traits>

namespace lamina::kernels {

namespace {

// A tile below this many multiply-adds (some 20 us) is not worth a second thread.
constexpr std::int64_t kTileProduct = std::int64_t{1} << 20;
// Sides are halved until there are so many, or somewhat more; once more where halved() finds it
// worth it.
constexpr std::int64_t kWantedTiles = 8;
constexpr std::int64_t kCachedProduct = std::int64_t{1} << 26;
constexpr std::int64_t kInnerBlock = 4096;
// Results of so many bytes leave the caches before anybody reads them.
constexpr std::int64_t kStreamedBytes = std::int64_t{12} << 20;

// A transposed matrix is read from all over it, row after row. Where a chain of the sum lies on
// more pages than a processor keeps the addresses of (96 on a Xeon), it is copied close together
// first.
constexpr std::int64_t kPage = 4096, kKeptPages = 96;
constexpr std::int64_t kCloseRows = 256;  // copied together: with their chain half of a cache
constexpr std::int64_t kCopyPays = 128;   // columns

// Before main, when no other thread can be in OpenBLAS.
[[maybe_unused]] const bool core_chosen = [] {
  choose_blas_core();
  return true;
}();

blasint checked(std::int64_t extent) {
  if (extent > std::numeric_limits<std::int32_t>::max()) {
    throw ArgumentError("gemm", "extents must fit in 31 bits; got " + std::to_string(extent));
  }
  return static_cast<blasint>(extent);
}

void call_blas(CBLAS_TRANSPOSE ta, CBLAS_TRANSPOSE tb, blasint m, blasint n, blasint k,
               const float* a, blasint lda, const float* b, blasint ldb, float beta, float* c,
               blasint ldc) {
  cblas_sgemm(CblasRowMajor, ta, tb, m, n, k, 1.0f, a, lda, b, ldb, beta, c, ldc);
}

void call_blas(CBLAS_TRANSPOSE ta, CBLAS_TRANSPOSE tb, blasint m, blasint n, blasint k,
               const double* a, blasint lda, const double* b, blasint ldb, double beta, double* c,
               blasint ldc) {
  cblas_dgemm(CblasRowMajor, ta, tb, m, n, k, 1.0, a, lda, b, ldb, beta, c, ldc);
}

template <Scalar T>
void clear(std::int64_t rows, std::int64_t columns, T* c, std::int64_t c_stride) {
  for (std::int64_t i = 0; i < rows; ++i) std::fill_n(c + i * c_stride, columns, T{0});
}

template <Scalar T>
MatrixView<T> from_row(MatrixView<T> a, std::int64_t row) {
  a.data += row * (a.transposed ? 1 : a.stride);
  return a;
}

template <Scalar T>
MatrixView<T> from_column(MatrixView<T> a, std::int64_t column) {
  a.data += column * (a.transposed ? a.stride : 1);
  return a;
}

template <Scalar T>
void multiply_by_blas(std::int64_t rows, std::int64_t columns, std::int64_t inner, MatrixView<T> a,
                      MatrixView<T> b, T* c, std::int64_t c_stride, Store store) {
  use_one_blas_thread();
  call_blas(a.transposed ? CblasTrans : CblasNoTrans, b.transposed ? CblasTrans : CblasNoTrans,
            checked(rows), checked(columns), checked(inner), a.data, checked(a.stride), b.data,
            checked(b.stride), store == Store::add ? T{1} : T{0}, c, checked(c_stride));
}

template <Scalar T>
void finish(Epilogue<T> epilogue, std::int64_t rows, std::int64_t columns, T* c,
            std::int64_t c_stride) {
  for (std::int64_t i = 0; i < rows; ++i, c += c_stride) {
    if (epilogue.bias) {
      for (std::int64_t j = 0; j < columns; ++j) c[j] += epilogue.bias[j];
    }
    if (epilogue.relu) {
      for (std::int64_t j = 0; j < columns; ++j) c[j] = c[j] <= 0 ? T{0} : c[j];
    }
  }
}

template <Scalar T>
Epilogue<T> from_column(Epilogue<T> epilogue, std::int64_t column) {
  if (epilogue.bias) epilogue.bias += column;
  return epilogue;
}

// How a product is computed, and each of its tiles: chosen by the extents of the whole.
template <Scalar T>
class Multiplier {
 public:
  Multiplier(std::int64_t rows, std::int64_t columns, std::int64_t inner, Store store)
      : store_(store) {
    if constexpr (std::is_same_v<T, float>) {
      product_ = faster_float_product(rows, columns, inner);
      const bool streamed = rows * columns * std::int64_t{sizeof(float)} >= kStreamedBytes;
      how_ = store == Store::add ? ProductStore::add
             : streamed          ? ProductStore::stream
                                 : ProductStore::assign;
    }
  }

  // Whether tiles share the left operand; else each makes a copy of its own.
  bool reads_in_place(MatrixView<T> a, std::int64_t inner) const {
    return product_ != nullptr && !is_distant(a, inner);
  }

  void operator()(std::int64_t rows, std::int64_t columns, std::int64_t inner, MatrixView<T> a,
                  MatrixView<T> b, T* c, std::int64_t c_stride) const {
    if (rows == 0 || columns == 0) return;
    if (inner == 0) {
      if (store_ == Store::assign) clear(rows, columns, c, c_stride);
      return;
    }
    if constexpr (std::is_same_v<T, float>) {
      if (product_ != nullptr && columns >= kCopyPays && is_distant(a, inner)) {
        return multiply_copies(rows, columns, inner, a, b, c, c_stride);
      }
      if (product_ != nullptr) {
        return product_(rows, columns, inner, operand(a), operand(b), c, c_stride, how_);
      }
    }
    multiply_by_blas(rows, columns, inner, a, b, c, c_stride, store_);
  }

 private:
  static bool is_distant(MatrixView<T> a, std::int64_t inner) {
    const std::int64_t length = product_chain(inner);
    const std::int64_t span = a.stride * length * std::int64_t{sizeof(float)};
    return a.transposed && std::min(length, span / kPage) > kKeptPages;
  }

  void multiply_copies(std::int64_t rows, std::int64_t columns, std::int64_t inner,
                       MatrixView<float> a, MatrixView<float> b, float* c,
                       std::int64_t c_stride) const {
    const std::int64_t parts = (rows + kCloseRows - 1) / kCloseRows;
    const std::int64_t height = ((rows + parts - 1) / parts + 15) / 16 * 16;
    const std::int64_t chain = product_chain(inner);
    // What comes back for the next chain had better stay in the caches.
    ProductStore how = chain < inner && how_ == ProductStore::stream ? ProductStore::assign : how_;
    Scratch<float> close(chain * height);
    for (std::int64_t k = 0; k < inner; k += chain, how = ProductStore::add) {
      const std::int64_t length = std::min(chain, inner - k);
      for (std::int64_t row = 0; row < rows; row += height) {
        const std::int64_t count = std::min(height, rows - row);
        const float* const from = from_row(from_column(a, k), row).data;
        for (std::int64_t i = 0; i < length; ++i) {
          std::copy_n(from + i * a.stride, count, close.data() + i * count);
        }
        product_(count, columns, length, {close.data(), 1, count}, operand(from_row(b, k)),
                 c + row * c_stride, c_stride, how);
      }
    }
  }

  static ProductOperand operand(MatrixView<float> a) {
    return {a.data, a.transposed ? 1 : a.stride, a.transposed ? a.stride : 1};
  }

  Store store_;
  FloatProduct product_ = nullptr;  // null: OpenBLAS
  ProductStore how_ = ProductStore::assign;
};

struct Tiling {
  std::int64_t rows, columns;
  std::int64_t tile_rows = rows, tile_columns = columns;

  std::int64_t column_tiles() const { return parts(columns, tile_columns); }
  std::int64_t tiles() const { return parts(rows, tile_rows) * column_tiles(); }

 private:
  static std::int64_t parts(std::int64_t extent, std::int64_t part) {
    return part == 0 ? 0 : (extent + part - 1) / part;
  }
};

std::int64_t half_of(std::int64_t extent) { return ((extent + 1) / 2 + 31) / 32 * 32; }

// Halves the longer side until there are enough tiles, or they would be too small.
Tiling tiling(std::int64_t rows, std::int64_t columns, std::int64_t inner) {
  Tiling t{rows, columns};
  while (t.tiles() < kWantedTiles) {
    std::int64_t& side = t.tile_rows > t.tile_columns ? t.tile_rows : t.tile_columns;
    const std::int64_t half = half_of(side);
    if (half >= side || t.tile_rows * t.tile_columns / 2 * inner < kTileProduct) break;
    side = half;
  }
  return t;
}

// Threads finish at different times: the smaller their last tile, the less they wait. Where the
// left operand leaves the caches, to read it for more tiles costs as much.
Tiling halved(Tiling t, std::int64_t inner) {
  if (t.tiles() == kWantedTiles && t.tile_columns % 64 == 0 &&
      t.rows * t.columns * inner <= kCachedProduct) {
    t.tile_columns /= 2;
  }
  return t;
}

// Few outputs, long sums: blocks of the sum side by side, then added in order.
template <Scalar T>
void gemm_inner_blocks(std::int64_t rows, std::int64_t columns, std::int64_t inner, MatrixView<T> a,
                       MatrixView<T> b, T* c, std::int64_t c_stride, Store store) {
  const std::int64_t blocks = std::min<std::int64_t>(kWantedTiles, inner / kInnerBlock);
  const std::int64_t length = (inner + blocks - 1) / blocks;
  Scratch<T> scratch(blocks * rows * columns);
  T* const partial = scratch.data();
  parallel_for(blocks, [&](std::int64_t block) {
    const std::int64_t first = block * length;
    gemm_serial(rows, columns, std::max<std::int64_t>(0, std::min(length, inner - first)),
                from_column(a, first), from_row(b, first), partial + block * rows * columns,
                columns);
  });
  if (store == Store::assign) clear(rows, columns, c, c_stride);
  for (std::int64_t block = 0; block < blocks; ++block) {
    for (std::int64_t i = 0; i < rows; ++i) {
      const T* in = partial + (block * rows + i) * columns;
      for (std::int64_t j = 0; j < columns; ++j) c[i * c_stride + j] += in[j];
    }
  }
}

}  // namespace

void use_one_blas_thread() {
  static const bool done = [] {
    openblas_set_num_threads(1);
    return true;
  }();
  static_cast<void>(done);
}

template <Scalar T>
void gemm_serial(std::int64_t rows, std::int64_t columns, std::int64_t inner, MatrixView<T> a,
                 MatrixView<T> b, T* c, std::int64_t c_stride, Store store) {
  Multiplier<T>(rows, columns, inner, store)(rows, columns, inner, a, b, c, c_stride);
}

template <Scalar T>
void gemm(std::int64_t rows, std::int64_t columns, std::int64_t inner, MatrixView<T> a,
          MatrixView<T> b, T* c, std::int64_t c_stride, Store store, Epilogue<T> epilogue) {
  Tiling t = tiling(rows, columns, inner);
  if (t.tiles() == 1 && inner >= 2 * kInnerBlock && rows * columns * inner >= 2 * kTileProduct) {
    gemm_inner_blocks(rows, columns, inner, a, b, c, c_stride, store);
    return finish(epilogue, rows, columns, c, c_stride);
  }
  const Multiplier<T> multiply(rows, columns, inner, store);
  if (multiply.reads_in_place(a, inner)) t = halved(t, inner);
  parallel_for(t.tiles(), [&](std::int64_t tile) {
    const std::int64_t row = tile / t.column_tiles() * t.tile_rows;
    const std::int64_t column = tile % t.column_tiles() * t.tile_columns;
    const std::int64_t height = std::min(t.tile_rows, rows - row);
    const std::int64_t width = std::min(t.tile_columns, columns - column);
    T* const tile_c = c + row * c_stride + column;
    multiply(height, width, inner, from_row(a, row), from_column(b, column), tile_c, c_stride);
    finish(from_column(epilogue, column), height, width, tile_c, c_stride);
  });
}

namespace {

// Where matrix number `index` of a broadcast batch begins, in matrices.
std::int64_t broadcast_position(std::int64_t index, const Shape& batch, const Shape& own) {
  std::int64_t position = 0;
  std::int64_t stride = 1;
  for (int axis = batch.rank() - 1, mine = own.rank() - 1; mine >= 0; --axis, --mine) {
    const std::int64_t coordinate = index % batch[axis];
    index /= batch[axis];
    if (own[mine] != 1) position += coordinate * stride;
    stride *= own[mine];
  }
  return position;
}

}  // namespace

template <Scalar T>
void gemm_batched(const Shape& batch, std::int64_t rows, std::int64_t columns, std::int64_t inner,
                  MatrixView<T> a, const Shape& a_batch, MatrixView<T> b, const Shape& b_batch,
                  T* c) {
  const auto product = [&](std::int64_t index, auto&& multiply) {
    MatrixView<T> left = a;
    MatrixView<T> right = b;
    left.data += broadcast_position(index, batch, a_batch) * rows * inner;
    right.data += broadcast_position(index, batch, b_batch) * inner * columns;
    multiply(rows, columns, inner, left, right, c + index * rows * columns, columns, Store::assign);
  };
  const std::int64_t count = batch.size();
  if (tiling(rows, columns, inner).tiles() > 1) {
    for (std::int64_t index = 0; index < count; ++index) {
      product(index, [](auto... operands) { gemm<T>(operands...); });
    }
    return;
  }
  const std::int64_t work = std::max<std::int64_t>(1, rows * columns * inner);
  const std::int64_t per_tile = std::max<std::int64_t>(1, kTileProduct / work);
  parallel_for((count + per_tile - 1) / per_tile, [&](std::int64_t tile) {
    const std::int64_t last = std::min(count, (tile + 1) * per_tile);
    for (std::int64_t index = tile * per_tile; index < last; ++index) {
      product(index, gemm_serial<T>);
    }
  });
}

#define LAMINA_INSTANTIATE(T)                                                                    \
  template void gemm_serial(std::int64_t, std::int64_t, std::int64_t, MatrixView<T>,             \
                            MatrixView<T>, T*, std::int64_t, Store);                             \
  template void gemm(std::int64_t, std::int64_t, std::int64_t, MatrixView<T>, MatrixView<T>, T*, \
                     std::int64_t, Store, Epilogue<T>);                                          \
  template void gemm_batched(const Shape&, std::int64_t, std::int64_t, std::int64_t,             \
                             MatrixView<T>, const Shape&, MatrixView<T>, const Shape&, T*);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)
#undef LAMINA_INSTANTIATE

}  // namespace lamina::kernels
