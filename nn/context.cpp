#include <lamina/autograd/tensor/error.hpp>
#include <lamina/autograd/tensor/random.hpp>
#include <lamina/nn/parameter.hpp>

namespace lamina {

template <Scalar T>
Context<T> Context<T>::for_training(Tape<T>& tape, Rng& rng) {
  return {.tape = &tape, .training = true, .rng = &rng, .step = rng.next_step()};
}

template <Scalar T>
void Context<T>::update(const Buffer<T>& buffer, Tensor<T> value, double rate) const {
  switch (updates) {
    case StateUpdates::discard:
      return;
    case StateUpdates::collect:
      if (!collected) {
        throw StateError("update", "a context that collects updates needs a place for them; got "
                                   "collected = null");
      }
      return collected->add(buffer.data(), std::move(value), rate);
    case StateUpdates::apply:
      if (!writable) {
        throw StateError("update", "state changes need a module that is not const; got a const call "
                                   "with updates = apply, expected discard or collect");
      }
      return buffer.data()->move_toward(value, rate);
  }
}

template <Scalar T>
void CollectedUpdates<T>::add(std::shared_ptr<BufferData<T>> buffer, Tensor<T> value,
                              double rate) {
  updates_.push_back({std::move(buffer), std::move(value), rate});
}

template <Scalar T>
void CollectedUpdates<T>::apply() {
  for (Update& update : updates_) update.buffer->move_toward(update.value, update.rate);
  updates_.clear();
}

template struct Context<float>;
template struct Context<double>;
template class CollectedUpdates<float>;
template class CollectedUpdates<double>;

}  // namespace lamina
