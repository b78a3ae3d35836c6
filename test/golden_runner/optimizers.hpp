// The optimizer that a case names, with its arguments; what is not given has the default of the
// framework. CaseFailed for a name that lamina lacks.
#pragma once

#include <lamina/optim/factory.hpp>
#include <string>

#include "support/golden.hpp"

namespace lamina::test {

OptimizerFactory recorded_optimizer(const std::string& name, const std::string& framework,
                                    ArgumentReader& arguments);

}  // namespace lamina::test
