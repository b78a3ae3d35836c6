#include <lamina/serialization/detail/visited_state.hpp>

namespace lamina::detail {

namespace {

Tensor<double> vector_tensor(const std::vector<double>& values) {
  return Tensor<double>(Shape{static_cast<std::int64_t>(values.size())}, values);
}

template <Scalar T>
class Reader : public StateVisitor<T> {
 public:
  Reader(StateDict& state, const std::string& prefix) : state_(state), prefix_(prefix) {}
  void operator()(std::string_view name, Tensor<T>& value) override {
    if (value.defined()) add(name, value);
  }
  void operator()(std::string_view name, std::int64_t& value) override { add(name, value); }
  void operator()(std::string_view name, double& value) override { add(name, value); }
  void operator()(std::string_view name, std::string& value) override { add(name, value); }
  void operator()(std::string_view name, std::vector<double>& value) override {
    add(name, vector_tensor(value));
  }

 private:
  void add(std::string_view name, StateValue value) {
    state_.add(prefix_ + std::string(name), std::move(value));
  }
  StateDict& state_;
  const std::string& prefix_;
};

template <Scalar T>
class Comparer : public StateVisitor<T> {
 public:
  Comparer(const std::string& kind, StateSource& state, Differences& differences)
      : kind_(kind), state_(state), differences_(differences) {}

  std::vector<std::string> names;
  std::vector<StateValue> before, after;

  void operator()(std::string_view name, Tensor<T>& value) override {
    const std::optional<StateValue> stored = find(name);
    const bool optional = !stored && !value.defined();
    const auto* found =
        optional ? nullptr : compatible(label(name), pointer(stored), value, differences_);
    take(value, found ? *found : Tensor<T>());
  }
  void operator()(std::string_view name, std::int64_t& value) override { plain(name, value); }
  void operator()(std::string_view name, double& value) override { plain(name, value); }
  void operator()(std::string_view name, std::string& value) override { plain(name, value); }
  void operator()(std::string_view name, std::vector<double>& value) override {
    const std::optional<StateValue> stored = find(name);
    const auto* found = compatible(label(name), pointer(stored), Tensor<double>(), differences_);
    if (found && found->rank() != 1) {
      differences_.other_shape(label(name), found->shape(), Shape{found->size()});
    }
    take(vector_tensor(value), found ? *found : Tensor<double>());
  }

 private:
  std::optional<StateValue> find(std::string_view name) {
    names.emplace_back(name);
    return state_.find(name);
  }
  static const StateValue* pointer(const std::optional<StateValue>& value) {
    return value ? &*value : nullptr;
  }
  std::string label(std::string_view name) const { return kind_ + " " + std::string(name); }
  void take(StateValue current, StateValue next) {
    before.push_back(std::move(current));
    after.push_back(std::move(next));
  }
  template <class V>
  void plain(std::string_view name, V& value) {
    std::optional<StateValue> stored = find(name);
    auto* found = stored ? std::get_if<V>(&*stored) : nullptr;
    if (!stored) {
      differences_.missing(label(name), kind_of(value));
    } else if (!found) {
      differences_.other_kind(label(name), kind_of(*stored), kind_of(value));
    }
    take(value, found ? std::move(*found) : V{});
  }

  const std::string& kind_;
  StateSource& state_;
  Differences& differences_;
};

// Writes values by position: composing names again could fail, and the order is the contract.
template <Scalar T>
class Writer : public StateVisitor<T> {
 public:
  explicit Writer(const std::vector<StateValue>& values) : values_(values) {}
  void operator()(std::string_view, Tensor<T>& value) override { value = next<Tensor<T>>(); }
  void operator()(std::string_view, std::int64_t& value) override { value = next<std::int64_t>(); }
  void operator()(std::string_view, double& value) override { value = next<double>(); }
  void operator()(std::string_view, std::string& value) override { value = next<std::string>(); }
  void operator()(std::string_view, std::vector<double>& value) override {
    const auto& tensor = next<Tensor<double>>();
    value.assign(tensor.data(), tensor.data() + tensor.size());
  }

 private:
  template <class V>
  const V& next() {
    const V* value = position_ < values_.size() ? std::get_if<V>(&values_[position_]) : nullptr;
    if (!value) {
      throw StateError("visit",
                       "a state must list the same names in the same order at every visit; "
                       "got another kind at position " +
                           std::to_string(position_));
    }
    ++position_;
    return *value;
  }
  const std::vector<StateValue>& values_;
  std::size_t position_ = 0;
};

}  // namespace

template <Scalar T>
void VisitedState<T>::add_to(StateDict& state, const std::string& prefix) {
  Reader<T> reader(state, prefix);
  visit_(reader);
}

template <Scalar T>
void VisitedState<T>::compare(StateSource& state, Differences& differences) {
  Comparer<T> comparer(kind_, state, differences);
  visit_(comparer);
  differences.add_unexpected(state, std::move(comparer.names), kind_ + " ");
  before_ = std::move(comparer.before);
  after_ = std::move(comparer.after);
}

template <Scalar T>
void VisitedState<T>::write() {
  try {
    Writer<T> writer(after_);
    visit_(writer);
  } catch (...) {
    restore();
    throw;
  }
}

template <Scalar T>
void VisitedState<T>::restore() {
  Writer<T> writer(before_);
  visit_(writer);
}

template class VisitedState<float>;
template class VisitedState<double>;

}  // namespace lamina::detail
