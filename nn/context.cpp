#include <lamina/autograd/tensor/error.hpp>
#include <lamina/autograd/tensor/random.hpp>
#include <lamina/nn/parameter.hpp>

namespace lamina {

Rate Rate::average_over(const Counter& updates) {
  Rate rate(1);
  rate.updates_ = updates.data();
  return rate;
}

double Rate::value() const noexcept {
  return updates_ ? 1.0 / (static_cast<double>(updates_->value) + 1.0) : fraction_;
}

template <Scalar T>
Context<T> Context<T>::for_training(Tape<T>& tape, Rng& rng) {
  return {.tape = &tape, .training = true, .rng = &rng, .step = rng.next_step()};
}

template <Scalar T>
void Context<T>::require_place_for_updates() const {
  if (updates == StateUpdates::collect && !collected) {
    throw StateError("update",
                     "a context that collects updates needs a place for them; got "
                     "collected = null");
  }
  if (updates == StateUpdates::apply && !writable) {
    throw StateError("update",
                     "state changes need a module that is not const; got a const call with "
                     "updates = apply, expected discard or collect");
  }
}

template <Scalar T>
void Context<T>::update(const Buffer<T>& buffer, Tensor<T> value, Rate rate) const {
  require_place_for_updates();
  if (updates != StateUpdates::discard && !(value.shape() == buffer.shape())) {
    throw ShapeError("update", "a new value of '" + buffer.path() + "' must keep its shape; got " +
                                   value.shape().to_string() + ", expected " +
                                   buffer.shape().to_string());
  }
  if (updates == StateUpdates::apply) {
    buffer.data()->assign(moved_toward(buffer.value(), value, rate.value()));
  } else if (updates == StateUpdates::collect) {
    collected->add(buffer.data(), std::move(value), std::move(rate));
  }
}

template <Scalar T>
void Context<T>::update(const Buffer<T>& buffer,
                        typename CollectedUpdates<T>::Change change) const {
  require_place_for_updates();
  if (updates == StateUpdates::apply) {
    buffer.data()->assign(change(buffer.value()));
  } else if (updates == StateUpdates::collect) {
    collected->add(buffer.data(), std::move(change));
  }
}

template <Scalar T>
void Context<T>::count(const Counter& counter) const {
  require_place_for_updates();
  if (updates == StateUpdates::apply) {
    ++counter.data()->value;
  } else if (updates == StateUpdates::collect) {
    collected->add(counter.data());
  }
}

template <Scalar T>
void CollectedUpdates<T>::add(std::shared_ptr<BufferData<T>> buffer, Change change) {
  updates_.push_back({.buffer = std::move(buffer), .change = std::move(change), .value = {}});
}

template <Scalar T>
void CollectedUpdates<T>::add(std::shared_ptr<BufferData<T>> buffer, Tensor<T> value, Rate rate) {
  updates_.push_back({.buffer = std::move(buffer),
                      .change = nullptr,
                      .value = std::move(value),
                      .rate = std::move(rate)});
}

template <Scalar T>
void CollectedUpdates<T>::add(std::shared_ptr<CounterData> counter) {
  updates_.push_back(
      {.buffer = nullptr, .change = nullptr, .value = {}, .counter = std::move(counter)});
}

template <Scalar T>
void CollectedUpdates<T>::Update::apply() {
  if (counter) {
    ++counter->value;
    return;
  }
  const Tensor<T> current = buffer->value;
  buffer->assign(change ? change(current) : moved_toward(current, value, rate.value()));
  value = current;
}

template <Scalar T>
void CollectedUpdates<T>::Update::undo() {
  if (counter) {
    --counter->value;
  } else {
    buffer->value = std::move(value);
  }
}

template <Scalar T>
void CollectedUpdates<T>::apply() {
  std::size_t done = 0;
  try {
    for (; done < updates_.size(); ++done) updates_[done].apply();
  } catch (...) {
    while (done-- > 0) updates_[done].undo();
    updates_.clear();
    throw;
  }
  updates_.clear();
}

template <Scalar T>
std::vector<std::string> CollectedUpdates<T>::paths() const {
  std::vector<std::string> result;
  for (const Update& update : updates_) {
    if (update.buffer) result.push_back(update.buffer->path);
  }
  return result;
}

template struct Context<float>;
template struct Context<double>;
template class CollectedUpdates<float>;
template class CollectedUpdates<double>;

}  // namespace lamina
