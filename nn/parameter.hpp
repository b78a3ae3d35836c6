// Parameter, Buffer, Counter: the three kinds of state a module may have.
//
//   Parameter  trained: value, gradient, trainable flag, regularizer, constraint
//   Buffer     saved and copied, never optimized: moving statistics
//   Counter    an integer that is saved: number of updates
//
// All three are undefined (or zero) until the module is built or loaded, know their dotted path
// once the module has been named, and are copied deeply with the module (see tied.hpp). Errors:
// ShapeError when a value of another shape is assigned to a defined parameter or buffer.
// Thread-safety: reading from many threads; writing by one while nobody reads.
#pragma once

#include <lamina/nn/constraint.hpp>
#include <lamina/nn/context.hpp>
#include <lamina/nn/regularizer.hpp>
#include <lamina/nn/tied.hpp>
#include <string>

namespace lamina {

// The state behind a Parameter: what optimizers and tapes hold on to.
template <Scalar T>
struct ParameterData : Leaf<T> {
  std::string path;
  bool trainable = true;
  Regularizer regularizer;
  Constraint constraint;

  ParameterData() = default;
  ParameterData(const ParameterData&) = default;
  ParameterData& operator=(const ParameterData& other);  // but for a path of its own

  // Copies into the value; the first assignment defines the shape.
  void assign(const Tensor<T>& value);
};

template <Scalar T>
struct ParameterOptions {
  bool trainable = true;
  Regularizer regularizer = {};
  Constraint constraint = {};
};

template <Scalar T>
class Parameter {
 public:
  Parameter() = default;
  explicit Parameter(const ParameterOptions<T>& options) {
    state_->trainable = options.trainable;
    state_->regularizer = options.regularizer;
    state_->constraint = options.constraint;
  }

  // The value as a variable: a leaf of the context's tape where the parameter is trainable.
  Variable<T> operator()(const Context<T>& ctx) const {
    return ctx.tape && state_->trainable ? ctx.tape->watch(state_.pointer())
                                         : Variable<T>(state_->value);
  }

  bool defined() const noexcept { return state_->value.defined(); }
  const Shape& shape() const noexcept { return state_->value.shape(); }
  const Tensor<T>& value() const noexcept { return state_->value; }
  const Tensor<T>& gradient() const noexcept { return state_->gradient; }
  void assign(const Tensor<T>& value) { state_->assign(value); }

  bool trainable() const noexcept { return state_->trainable; }
  void set_trainable(bool trainable) noexcept { state_->trainable = trainable; }
  const std::string& path() const noexcept { return state_->path; }

  std::shared_ptr<ParameterData<T>> data() const noexcept { return state_.pointer(); }
  const void* tied_handle() const noexcept { return state_.tied_handle(); }

 private:
  Tied<ParameterData<T>> state_;
};

template <Scalar T>
struct BufferData {
  Tensor<T> value;
  std::string path;

  BufferData() = default;
  BufferData(const BufferData&) = default;
  BufferData& operator=(const BufferData& other);  // but for a path of its own

  void assign(const Tensor<T>& value);
};

// current - (current - target) * rate: a step of a moving average; rate 1 gives the target exactly.
template <Scalar T>
Tensor<T> moved_toward(const Tensor<T>& current, const Tensor<T>& target, double rate);

template <Scalar T>
class Buffer {
 public:
  bool defined() const noexcept { return state_->value.defined(); }
  const Shape& shape() const noexcept { return state_->value.shape(); }
  const Tensor<T>& value() const noexcept { return state_->value; }
  void assign(const Tensor<T>& value) { state_->assign(value); }
  const std::string& path() const noexcept { return state_->path; }

  std::shared_ptr<BufferData<T>> data() const noexcept { return state_.pointer(); }
  const void* tied_handle() const noexcept { return state_.tied_handle(); }

 private:
  Tied<BufferData<T>> state_;
};

struct CounterData {
  std::int64_t value = 0;
};

class Counter {
 public:
  std::int64_t value() const noexcept { return state_->value; }
  void set(std::int64_t value) noexcept { state_->value = value; }

  // The same for two handles on one state.
  std::shared_ptr<CounterData> data() const noexcept { return state_.pointer(); }
  const void* tied_handle() const noexcept { return state_.tied_handle(); }

 private:
  Tied<CounterData> state_;
};

extern template struct ParameterData<float>;
extern template struct ParameterData<double>;
extern template struct BufferData<float>;
extern template struct BufferData<double>;
extern template class Tied<ParameterData<float>>;
extern template class Tied<ParameterData<double>>;
extern template class Tied<BufferData<float>>;
extern template class Tied<BufferData<double>>;

}  // namespace lamina
