// Variable: a tensor and its place on a tape.
//
// A variable made from a tensor alone is a constant. Tape::watch makes a leaf; every op on a
// tracked variable gives a tracked one. A variable never owns its tape: it holds a counted anchor
// (a slot that is never freed, and the tape's generation at the time), so that one which outlived
// its tape, or a Tape::clear(), is recognized and refused with a StateError instead of being
// dereferenced.
//
// Thread-safety: as Tensor. Recording on one tape belongs to one thread at a time.
#pragma once

#include <cstdint>
#include <lamina/autograd/tensor/tensor.hpp>
#include <utility>

namespace lamina {

template <Scalar T>
class Tape;

namespace detail {

// One per living tape. Slots are reused, never freed: a stale anchor can always look at its own.
struct TapeSlot {
  std::atomic<std::uint64_t> generation{1};
  void* tape = nullptr;
  TapeSlot* next_free = nullptr;
};

// Where on which tape; `slot` is null for a constant.
struct Anchor {
  TapeSlot* slot = nullptr;
  std::uint64_t generation = 0;
  std::uint32_t index = 0;

  bool current() const noexcept {
    return slot && slot->generation.load(std::memory_order_relaxed) == generation;
  }
};

}  // namespace detail

template <Scalar T>
class Variable {
 public:
  Variable() = default;  // undefined constant
  Variable(Tensor<T> value) noexcept
      : value_(std::move(value)) {}  // NOLINT: a tensor is a constant

  const Tensor<T>& value() const& noexcept { return value_; }
  Tensor<T> value() && noexcept { return std::move(value_); }
  const Shape& shape() const noexcept { return value_.shape(); }
  int rank() const noexcept { return value_.rank(); }
  std::int64_t size() const noexcept { return value_.size(); }
  bool defined() const noexcept { return value_.defined(); }
  T item() const { return value_.item(); }

  // Whether operations on this variable are recorded.
  bool tracked() const noexcept { return anchor_.slot != nullptr; }

  // The same value as a constant: no derivative flows through it.
  Variable detached() const { return Variable(value_); }

  const detail::Anchor& anchor() const noexcept { return anchor_; }

 private:
  friend class Tape<T>;
  Variable(Tensor<T>&& value, detail::Anchor anchor) noexcept
      : value_(std::move(value)), anchor_(anchor) {}

  Tensor<T> value_;
  detail::Anchor anchor_;
};

}  // namespace lamina
