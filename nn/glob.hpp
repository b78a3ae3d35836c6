// Glob patterns on dotted paths: "*" stands for any text (dots included), "?" for one character.
//
//   matches_glob("conv*", "conv2d.kernel");  matches_glob("*.gamma", "block1.bn.gamma")
#pragma once

#include <string_view>

namespace lamina {

bool matches_glob(std::string_view pattern, std::string_view text);

}  // namespace lamina
