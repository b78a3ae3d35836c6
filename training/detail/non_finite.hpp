// The search for the place where NaN or infinity arose first: the forward pass is run again, and
// every module's output is looked at as it is computed.
#pragma once

#include <lamina/nn/module.hpp>
#include <string>

namespace lamina::detail {

// Words that end the sentence "the loss must be finite; got nan ...": ", first in the output of
// 'bn'". `ctx` should be that of the failed pass, without tape and with updates discarded; what the
// pass throws is thrown.
template <Scalar T>
std::string describe_non_finite(Module<T>& net, const Tensor<T>& x, Context<T> ctx);

}  // namespace lamina::detail
