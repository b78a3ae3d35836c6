// Products of float matrices alone, as the library computes them on one thread, in turn with
// OpenBLAS's on one thread: those of a dense layer's forward pass and of its two gradients.
#include <cblas.h>

#include <cases.hpp>
#include <lamina/autograd/kernels/gemm.hpp>
#include <support/harness.hpp>
#include <support/inputs.hpp>

namespace bench {
namespace {

using lamina::kernels::MatrixView;

struct Product {
  const char* pass;
  std::int64_t rows, columns, inner;
  bool transposed_a = false, transposed_b = false;
};

struct Memory {
  explicit Memory(const Product& p)
      : a(tensor(kInput, {p.rows * p.inner})),
        b(tensor(kKernels, {p.inner * p.columns})),
        c({p.rows, p.columns}, 0) {}
  lamina::Tensor<float> a, b, c;
};

Work own(const Product& p, const std::shared_ptr<Memory>& memory) {
  const MatrixView<float> a{memory->a.data(), p.transposed_a ? p.rows : p.inner, p.transposed_a};
  const MatrixView<float> b{memory->b.data(), p.transposed_b ? p.inner : p.columns, p.transposed_b};
  return {.run =
              [=] {
                lamina::kernels::gemm(p.rows, p.columns, p.inner, a, b, memory->c.mutable_data(),
                                      p.columns);
              },
          .check =
              [=] {
                return std::vector<Check>{
                    checksum("product", memory->c, lamina::Layout::channels_last)};
              }};
}

Work of_openblas(const Product& p, const std::shared_ptr<Memory>& memory) {
  const auto order = [](bool transposed) { return transposed ? CblasTrans : CblasNoTrans; };
  return {.run = [=] {
    cblas_sgemm(CblasRowMajor, order(p.transposed_a), order(p.transposed_b),
                static_cast<blasint>(p.rows), static_cast<blasint>(p.columns),
                static_cast<blasint>(p.inner), 1, memory->a.data(),
                static_cast<blasint>(p.transposed_a ? p.rows : p.inner), memory->b.data(),
                static_cast<blasint>(p.transposed_b ? p.inner : p.columns), 0,
                memory->c.mutable_data(), static_cast<blasint>(p.columns));
  }};
}

}  // namespace

void add_matrix_product() {
  for (const DenseShape& shape : kDense) {
    for (const Product& p :
         {Product{"forward", shape.batch, shape.units, shape.features},
          Product{"weight_gradient", shape.features, shape.units, shape.batch, true},
          Product{"input_gradient", shape.batch, shape.features, shape.units, false, true}}) {
      add("matrix_product/" + shape.name() + "/" + p.pass, [p] {
        const auto memory = std::make_shared<Memory>(p);
        Work work = own(p, memory);
        work.baseline = std::make_shared<Work>(of_openblas(p, memory));
        return work;
      });
    }
  }
}

}  // namespace bench
