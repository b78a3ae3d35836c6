// The networks whose training steps are measured.
#pragma once

#include <lamina/lamina.hpp>

namespace bench {

// 784-512-512-10 with batch normalization.
lamina::Sequential<float> make_mlp();

// conv 5x5x32, BN, ReLU, pool, conv 5x5x64, BN, ReLU, pool, dense 1024, BN, ReLU, dense 10.
lamina::Sequential<float> make_cnn(lamina::Layout layout);

// 4-8-2: nothing but overhead.
lamina::Sequential<float> make_tiny();

}  // namespace bench
