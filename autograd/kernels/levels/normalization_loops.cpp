// The loops of the normalizations for the instruction set that this file is compiled for.
#include <lamina/autograd/kernels/coefficient_loops.hpp>
#include <lamina/autograd/kernels/levels/normalization_columns.hpp>
#include <lamina/autograd/kernels/levels/normalization_maps.hpp>
#include <lamina/autograd/kernels/levels/normalization_runs.hpp>

namespace lamina::kernels {
namespace {

constexpr NormalizationLoops kLoops = {.add_column_moments = add_column_moments,
                                       .add_column_gradients = add_column_gradients,
                                       .scale_columns = scale_columns,
                                       .combine_columns = combine_columns,
                                       .run_moments = run_moments,
                                       .run_gradients = run_gradients,
                                       .scale_runs = scale_runs,
                                       .combine_runs = combine_runs,
                                       .fill_centred_scaling = fill_centred_scaling<float>,
                                       .fill_gradient_scaling = fill_gradient_scaling<float>,
                                       .fence = fence};

}  // namespace

const NormalizationLoops* LAMINA_LEVEL::normalization_loops() { return &kLoops; }

}  // namespace lamina::kernels
