// MultiTensorOptimizer: what all optimizers share. A subclass names its slots and says how one tile
// of elements moves; the base does the rest of a step:
//
//   accumulate -> clip -> weight decay -> update -> constraint
//
//   void update(const UpdateTile<T>& t) const override { plain_kernel(t.parameter, t.gradient,
//   ...); }
//
// All parameters are cut into tiles of a fixed number of elements and go through the pool in one
// pass; the result does not depend on the number of threads, and a step in the steady state
// allocates nothing. A parameter that occurs twice is updated once. A parameter without gradient is
// left alone: no decay, no momentum. Gradients that are not finite go into the formula as they are.
// zero_gradients() forgets the gradients, so that the next backward writes instead of adding.
// Errors: ArgumentError (options; no parameters), StateError (a step without any gradient;
// parameters of the same path), ShapeError (a gradient or a slot of another shape than its
// parameter). All before anything changes.
#pragma once

#include <array>
#include <lamina/nn/optimizer.hpp>
#include <lamina/optim/update_options.hpp>
#include <span>

namespace lamina {

inline constexpr std::size_t kMaxSlots = 3;

// How a gradient enters, and what weight decay leaves of a parameter.
template <Scalar T>
struct GradientTerms {
  T scale = 1;    // accumulation, clipping by norm
  T limit = 0;    // clipping by value; infinite: none
  T coupled = 0;  // weight decay that is added to the gradient
  T decay = 0;    // weight decay that is taken from the parameter, times the learning rate

  T gradient(T g, T parameter) const {
    T clipped = g * scale;
    clipped = clipped > limit ? limit : clipped;
    clipped = clipped < -limit ? -limit : clipped;
    return clipped + coupled * parameter;
  }
  T decayed(T parameter) const { return parameter - parameter * decay; }
};

// A stretch of one parameter, and the numbers of this update. The arrays do not overlap.
template <Scalar T>
struct UpdateTile {
  T* parameter = nullptr;
  const T* gradient = nullptr;
  std::array<T*, kMaxSlots> slots{};
  std::int64_t count = 0;

  double learning_rate = 0;
  // The number of this update, from 1; under PyTorch's formula of this parameter.
  std::int64_t step = 0;
  GradientTerms<T> terms;
};

template <Scalar T>
class MultiTensorOptimizer : public Optimizer<T> {
 public:
  void step() override;
  void zero_gradients() override;

  std::int64_t iterations() const override { return iterations_; }
  double learning_rate() const override { return options_.learning_rate(iterations_); }
  void set_learning_rate(double rate) override;

  void visit(StateVisitor<T>& visitor) override;

 protected:
  MultiTensorOptimizer(std::string name, const ParameterList<T>& parameters, UpdateOptions options,
                       std::vector<std::string> slot_names);

  // Moves the elements of one tile; called from several threads.
  virtual void update(const UpdateTile<T>& tile) const = 0;
  // Checks and prepares the numbers of the coming update, which is number iterations() + 1.
  virtual void begin_update() {}

  const UpdateOptions& options() const noexcept { return options_; }
  const std::string& name() const noexcept { return name_; }

 private:
  struct Entry {
    std::shared_ptr<ParameterData<T>> parameter;
    std::array<Tensor<T>, kMaxSlots> slots;
    Tensor<T> accumulator;
    std::int64_t accumulated = 0;  // gradients in the accumulator
    std::int64_t updates = 0;

    // From groups and patterns, when the path is known.
    bool resolved = false;
    bool trainable = true;
    double rate_factor = 1;
    double weight_decay = 0;

    // Of the step that runs.
    bool active = false;
    T* sum = nullptr;  // the accumulator's elements
    UpdateTile<T> tile;
  };
  struct Stretch {
    std::size_t entry;
    std::int64_t first, count;
  };

  bool accumulates() const noexcept { return options_.gradient_accumulation_steps > 1; }
  bool updatable(const Entry& entry) const {
    return entry.parameter->trainable && entry.trainable && entry.parameter->value.defined();
  }
  void resolve(Entry& entry) const;
  void require_shapes(const Entry& entry) const;
  void require_some_gradient() const;
  void make_slots(Entry& entry) const;
  void accumulate();
  void forget_sum(Entry& entry);
  void prepare_tile(Entry& entry, double rate);
  void clip_by_norm();
  void cut_active();
  template <class Function>
  void for_each_stretch(Function&& function) const;
  void finish(Entry& entry);
  void visit_learning_rate(StateVisitor<T>& visitor);
  void visit_entry(Entry& entry, const std::string& prefix, StateVisitor<T>& visitor);

  std::string name_;
  UpdateOptions options_;
  std::vector<std::string> slot_names_;
  std::vector<Entry> entries_;
  std::int64_t iterations_ = 0;
  std::int64_t calls_ = 0;  // since the last update, while accumulating

  std::vector<Stretch> stretches_;
  std::vector<double> partial_sums_;
};

extern template class MultiTensorOptimizer<float>;
extern template class MultiTensorOptimizer<double>;

}  // namespace lamina
