// batch_normalization/_errors.json: what each bad or odd argument gets.
#pragma once

#include "support/golden.hpp"

namespace lamina::test {

// What lamina refuses although the seed accepts it: numbers outside their range, bounds of renorm
// that contradict each other or have no renorm to bound. The arguments are of the right types.
bool refused_by_lamina(const Json& arguments);

void run_batch_normalization_errors(const Json& document, GoldenReport& report);

}  // namespace lamina::test
