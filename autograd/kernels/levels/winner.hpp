// Windows of 2 x 2, one per lane, and which of their elements wins; for the files of levels/ alone
// (see vector.hpp).
#pragma once

#include <lamina/autograd/kernels/levels/scaling.hpp>

namespace lamina::kernels {
namespace {

// A window's four elements: upper left, upper right, lower left, lower right.
struct Window {
  Vector at[4];
};

LAMINA_INLINE Vector largest(const Window& w) {
  return larger(larger(w.at[0], w.at[1]), larger(w.at[2], w.at[3]));
}

// Of a window the values less `high`, and which of them gave a y that is positive, or NaN.
struct Winner {
  Window centred;
  Mask at[4];
  Mask any;
};

LAMINA_INLINE Winner winner_of(const Window& x, const Scaling& scaling) {
  Winner winner;
  Window y;
  unroll<4>([&](auto i) {
    winner.centred.at[i] = x.at[i] - scaling.high;
    y.at[i] = scaling.of_centred(winner.centred.at[i]);
  });
  const Vector most = largest(y);
  winner.any = positive_or_nan(most);
  Mask left = winner.any;
  unroll<4>([&](auto i) {
    winner.at[i] = both(left, equal(y.at[i], most));
    left = without(left, winner.at[i]);
  });
  return winner;
}

// The element of the window that won; 0 where none did.
LAMINA_INLINE Vector of_winner(const Winner& winner, const Window& from) {
  Vector result = broadcast(0);
  unroll<4>([&](auto i) { result = select(winner.at[i], from.at[i], result); });
  return result;
}

}  // namespace
}  // namespace lamina::kernels
