// summary: what a network consists of, for one shape of input.
//
//   std::cout << summary(net, {1, 28, 28, 1}).to_string();
//
//   input (1, 28, 28, 1)
//   path    type    output    parameters  buffers  multiply-adds  bytes
//   dense   dense   (1, 10)        7,850        0          7,840  31,400
//   ...
//
// A copy of the network is called once, in inference, on zeros: the network itself is not touched
// and need not be built. Errors: what a call with such an input throws. Thread-safety: as copying
// the network.
#pragma once

#include <lamina/nn/module.hpp>
#include <optional>
#include <string>
#include <vector>

namespace lamina {

// One module. Counts are of its own members, without those of its children; a tied parameter counts
// where it is visited first.
struct SummaryRow {
  std::string
      path;  // empty: the root, which has a row when it has members of its own or no children
  std::string type;
  std::optional<Shape> output = {};  // of the last call; none where it was not called
  std::int64_t parameters = 0;
  std::int64_t trainable_parameters = 0;
  std::int64_t buffers = 0;
  std::int64_t multiply_adds = 0;  // of all calls
  std::int64_t bytes = 0;          // of parameters and buffers
};

struct Summary {
  Shape input;
  std::vector<SummaryRow> rows;  // in the order of visiting
  SummaryRow total;              // of all rows; without output

  // An aligned table with totals; lines end with '\n'.
  std::string to_string() const;
};

namespace detail {
template <Scalar T>
Summary summarize(Module<T>& copy, const Shape& input);
extern template Summary summarize<float>(Module<float>&, const Shape&);
extern template Summary summarize<double>(Module<double>&, const Shape&);
}  // namespace detail

template <class M>
Summary summary(const M& net, const Shape& input) {
  M copy(net);
  return detail::summarize<typename M::value_type>(copy, input);
}

}  // namespace lamina
