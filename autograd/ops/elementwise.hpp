// All ops that work element by element.
#pragma once

#include <lamina/autograd/ops/activation.hpp>
#include <lamina/autograd/ops/arithmetic.hpp>
#include <lamina/autograd/ops/exponential.hpp>
#include <lamina/autograd/ops/selection.hpp>
