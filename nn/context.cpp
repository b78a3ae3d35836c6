#include <lamina/autograd/tensor/error.hpp>
#include <lamina/autograd/tensor/random.hpp>
#include <lamina/nn/parameter.hpp>

namespace lamina {

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
void Context<T>::update(const Buffer<T>& buffer, Tensor<T> value, double rate) const {
  require_place_for_updates();
  if (updates == StateUpdates::apply) {
    buffer.data()->assign(moved_toward(buffer.value(), value, rate));
  } else if (updates == StateUpdates::collect) {
    collected->add(buffer.data(), std::move(value), rate);
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
void CollectedUpdates<T>::add(std::shared_ptr<BufferData<T>> buffer, Change change) {
  updates_.push_back({std::move(buffer), std::move(change), {}, 0});
}

template <Scalar T>
void CollectedUpdates<T>::add(std::shared_ptr<BufferData<T>> buffer, Tensor<T> value, double rate) {
  updates_.push_back({std::move(buffer), nullptr, std::move(value), rate});
}

template <Scalar T>
void CollectedUpdates<T>::apply() {
  for (Update& update : updates_) {
    const Tensor<T>& current = update.buffer->value;
    update.buffer->assign(update.change ? update.change(current)
                                        : moved_toward(current, update.value, update.rate));
  }
  updates_.clear();
}

template <Scalar T>
std::vector<std::string> CollectedUpdates<T>::paths() const {
  std::vector<std::string> result;
  for (const Update& update : updates_) result.push_back(update.buffer->path);
  return result;
}

template struct Context<float>;
template struct Context<double>;
template class CollectedUpdates<float>;
template class CollectedUpdates<double>;

}  // namespace lamina
