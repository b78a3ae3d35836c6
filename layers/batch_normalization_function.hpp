// Batch normalization as a function: tf.compat.v1.layers.batch_normalization in C++.
//
//   Scope scope;
//   auto y = batch_normalization(scope, x, ctx, {.axis = {1}, .momentum = 0.9, .name = "bn"});
//
// The parameters and statistics live in the scope, under the seed's names: "bn/gamma", "bn/beta",
// "bn/moving_mean", "bn/moving_variance", and with renorm "bn/moving_stddev", "bn/renorm_mean",
// "bn/renorm_stddev". Without a name: "batch_normalization", "batch_normalization_1", ... Training
// is the context's flag. The moving statistics are updated by the call; a context that collects
// (StateUpdates::collect) gathers the updates instead, as the seed's UPDATE_OPS, to be applied by
// the caller.
//
// Reuse follows the seed: unset makes new variables, `yes` demands existing ones, `automatic` takes
// or makes; only the variables that this call's options need are looked up. A call that fails makes
// none, but an unnamed one has used up its number.
//
// Errors: those of BatchNormalization and Scope; nothing is changed then.
#pragma once

#include <lamina/layers/batch_normalization.hpp>
#include <lamina/layers/scope.hpp>

namespace lamina {

template <Scalar T>
Variable<T> batch_normalization(const Scope& scope, const Variable<T>& inputs,
                                const Context<T>& ctx,
                                const BatchNormalizationOptions& options = {},
                                Reuse reuse = Reuse::no);

}  // namespace lamina
