// Momentum: how a moving average weighs its old value.
//
//   {.momentum = 0.99}         value += (1 - 0.99) (new - value)
//   {.momentum = cumulative}   value  = the exact average of all values met so far; the one that it
//                              was made with does not count
//
// PyTorch's momentum is the weight of the new value, 1 minus this one; its None is `cumulative`.
#pragma once

#include <concepts>
#include <lamina/nn/context.hpp>
#include <lamina/nn/options.hpp>
#include <optional>

namespace lamina {

struct Cumulative {};
inline constexpr Cumulative cumulative{};

class Momentum {
 public:
  template <class Number>
    requires std::integral<Number> || std::floating_point<Number>
  Momentum(Number weight) : weight_(static_cast<double>(weight)) {}  // NOLINT: implicit by intent
  Momentum(Cumulative) {}                                            // NOLINT: implicit by intent

  bool is_cumulative() const noexcept { return !weight_; }
  // Of the old value; not for `cumulative`.
  double weight() const { return weight_.value(); }

  // `updates`: how many values were met before.
  Rate rate(const Counter& updates) const {
    return weight_ ? Rate(1 - *weight_) : Rate::average_over(updates);
  }

  // In a file `cumulative` is the missing number.
  void visit(OptionVisitor& visitor, const char* name) { visitor(name, weight_); }

 private:
  std::optional<double> weight_;
};

}  // namespace lamina
