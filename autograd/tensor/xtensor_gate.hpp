// The one place that includes xtensor: every other file that uses it includes this header, or
// lamina/autograd/tensor/xtensor.hpp.
//
// xtensor 0.24 chooses the container of an evaluated expression with a rule that is written for
// C++17 only: under g++ and C++20 an expression of dynamic rank evaluates to xtensor<T, 4>, which
// has the wrong rank or crashes. The two specializations below give it xarray again; where xtensor
// is right by itself they say the same thing.
//
// Never `auto` for an expression: it refers to its operands. Name the container, xt::xarray<T>.
#pragma once

#if __has_include(<xtensor/containers/xarray.hpp>)
#include <xtensor/containers/xadapt.hpp>
#include <xtensor/containers/xarray.hpp>
#include <xtensor/core/xeval.hpp>
#include <xtensor/core/xmath.hpp>
#include <xtensor/core/xnoalias.hpp>
#include <xtensor/generators/xbuilder.hpp>
#include <xtensor/misc/xmanipulation.hpp>
#include <xtensor/views/xstrided_view.hpp>
#include <xtensor/views/xview.hpp>
#else
#include <xtensor/xadapt.hpp>
#include <xtensor/xarray.hpp>
#include <xtensor/xbuilder.hpp>
#include <xtensor/xeval.hpp>
#include <xtensor/xmanipulation.hpp>
#include <xtensor/xmath.hpp>
#include <xtensor/xnoalias.hpp>
#include <xtensor/xstrided_view.hpp>
#include <xtensor/xview.hpp>
#endif

#include <cstddef>
#include <type_traits>
#include <utility>

namespace xt::detail {

template <>
struct xtype_for_shape<xt::dynamic_shape<std::size_t>> {
  template <class T, layout_type L>
  using type = xarray<T, L>;
};

template <>
struct xtype_for_shape<xt::dynamic_shape<std::ptrdiff_t>> {
  template <class T, layout_type L>
  using type = xarray<T, L>;
};

}  // namespace xt::detail

namespace lamina::detail {

using XtensorSum =
    decltype(xt::eval(std::declval<xt::xarray<double>&>() + std::declval<xt::xarray<double>&>()));
static_assert(std::is_same_v<std::decay_t<XtensorSum>, xt::xarray<double>>,
              "an expression of dynamic rank must evaluate to xarray");

}  // namespace lamina::detail
