// Affine: "scale, then shift" per channel, y = x * scale + offset.
//
// gamma and beta, an adjustment, and renorm's correction (r, d) are all affine maps of the
// normalized value. They are composed before the data is touched:
//
//   renorm.then(adjustment).then(gamma_beta)      ((x r + d) a + b) gamma + beta
//
// so that every combination of options takes the one fused kernel. An undefined scale is 1, an
// undefined offset 0; the two coefficients have one value per channel.
#pragma once

#include <lamina/autograd/ops/arithmetic.hpp>
#include <lamina/autograd/variable.hpp>

namespace lamina {

template <Scalar T>
struct Affine {
  Variable<T> scale = {};
  Variable<T> offset = {};

  // First this map, then `next`.
  Affine then(const Affine& next) const {
    const Variable<T> scaled_offset =
        offset.defined() && next.scale.defined() ? offset * next.scale : offset;
    return {.scale = !scale.defined()        ? next.scale
                     : !next.scale.defined() ? scale
                                             : scale * next.scale,
            .offset = !scaled_offset.defined() ? next.offset
                      : !next.offset.defined() ? scaled_offset
                                               : scaled_offset + next.offset};
  }
};

}  // namespace lamina
