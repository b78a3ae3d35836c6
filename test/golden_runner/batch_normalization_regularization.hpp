// batch_normalization/_regularization.json: the penalties of gamma and beta, and constraints by
// themselves and after a gradient step.
#pragma once

#include "support/golden.hpp"

namespace lamina::test {

void run_batch_normalization_regularization(const Json& document, GoldenReport& report);

}  // namespace lamina::test
