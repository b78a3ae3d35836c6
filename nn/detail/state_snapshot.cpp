#include <algorithm>
#include <lamina/nn/detail/state_snapshot.hpp>
#include <unordered_set>
#include <utility>

namespace lamina::detail {

namespace {

// Swaps where it makes a difference: nothing is written that others may be reading.
template <Scalar T>
void exchange(Tensor<T>& a, Tensor<T>& b) noexcept {
  if (a.data() != b.data()) std::swap(a, b);
}

bool same(const Anchor& a, const Anchor& b) {
  return a.slot == b.slot && a.generation == b.generation && a.index == b.index;
}

}  // namespace

template <Scalar T>
class StateSnapshot<T>::Collector : public Visitor<T> {
 public:
  explicit Collector(StateSnapshot& snapshot) : snapshot_(snapshot) {}

 protected:
  void module(const std::string&, Module<T>& module) override {
    if (seen_.insert(&module).second) snapshot_.paths_.push_back(module.path_);
  }
  void parameter(const std::string&, Parameter<T>& parameter) override {
    const auto data = parameter.data();
    if (!seen_.insert(data.get()).second) return;
    snapshot_.parameters_.push_back({data, data->value, data->anchor, data->trainable});
  }
  void buffer(const std::string&, Buffer<T>& buffer) override {
    const auto data = buffer.data();
    if (seen_.insert(data.get()).second) snapshot_.buffers_.push_back({data, data->value});
  }
  void counter(const std::string&, Counter& counter) override {
    const auto data = counter.data();
    if (seen_.insert(data.get()).second) snapshot_.counters_.push_back({data, data->value});
  }

 private:
  StateSnapshot& snapshot_;
  std::unordered_set<const void*> seen_;
};

template <Scalar T>
class StateSnapshot<T>::PathFinder : public Visitor<T> {
 public:
  std::vector<std::string*> paths;

 protected:
  void module(const std::string&, Module<T>& module) override {
    if (seen_.insert(&module).second) paths.push_back(&module.path_);
  }

 private:
  std::unordered_set<const void*> seen_;
};

template <Scalar T>
StateSnapshot<T>::StateSnapshot(const Module<T>& tree) {
  Collector(*this).walk(tree);
}

template <Scalar T>
StateSnapshot<T>::InForce::InForce(StateSnapshot& snapshot, const Module<T>& tree)
    : snapshot_(snapshot) {
  PathFinder finder;
  finder.walk(tree);
  renamed_ = std::move(finder.paths);
  renamed_.resize(std::min(renamed_.size(), snapshot.paths_.size()));
  exchange();
}

template <Scalar T>
StateSnapshot<T>::InForce::~InForce() {
  exchange();
}

template <Scalar T>
void StateSnapshot<T>::InForce::exchange() noexcept {
  for (std::size_t i = 0; i < renamed_.size(); ++i) {
    if (*renamed_[i] != snapshot_.paths_[i]) std::swap(*renamed_[i], snapshot_.paths_[i]);
  }
  snapshot_.exchange();
}

template <Scalar T>
void StateSnapshot<T>::exchange() noexcept {
  for (ParameterState& state : parameters_) {
    detail::exchange(state.value, state.of->value);
    if (!same(state.anchor, state.of->anchor)) std::swap(state.anchor, state.of->anchor);
    if (state.trainable != state.of->trainable) std::swap(state.trainable, state.of->trainable);
  }
  for (BufferState& state : buffers_) detail::exchange(state.value, state.of->value);
  for (CounterState& state : counters_) {
    if (state.value != state.of->value) std::swap(state.value, state.of->value);
  }
}

template class StateSnapshot<float>;
template class StateSnapshot<double>;

}  // namespace lamina::detail
