#include <algorithm>
#include <lamina/autograd/tensor/error.hpp>
#include <lamina/nn/sequential.hpp>

namespace lamina {

namespace {
constexpr std::size_t kMostAbsorbed = 2;  // an activation and a pooling
}

// A vector that is moved to would drop the modules that an optimizer may look at.
template <Scalar T>
Sequential<T>& Sequential<T>::operator=(Sequential&& other) {
  if (this == &other) return *this;
  const bool alike =
      std::equal(children_.begin(), children_.end(), other.children_.begin(), other.children_.end(),
                 [](const Child& a, const Child& b) { return a.module.same_type(b.module); });
  if (alike) return *this = other;
  Module<T>::operator=(std::move(other));
  children_ = std::move(other.children_);
  return *this;
}

template <Scalar T>
bool Sequential<T>::taken(const std::string& name) const {
  return std::any_of(children_.begin(), children_.end(),
                     [&](const Child& child) { return child.name == name; });
}

template <Scalar T>
Sequential<T>& Sequential<T>::append(ModulePointer<T> module, const std::string& name) {
  std::string chosen = name.empty() ? module->name() : name;
  if (chosen.find('.') != std::string::npos) {
    throw ArgumentError("sequential", "a child's name must not hold a dot; got '" + chosen + "'");
  }
  if (chosen.empty()) {
    const std::string type = module->type();
    chosen = type;
    for (int number = 1; taken(chosen); ++number) chosen = type + "_" + std::to_string(number);
  } else if (taken(chosen)) {
    throw ArgumentError("sequential", "children's names must differ; got '" + chosen + "' twice");
  }
  children_.push_back({std::move(chosen), std::move(module)});
  this->unprepared();
  return *this;
}

template <Scalar T>
Sequential<T>& Sequential<T>::replace(std::int64_t index, ModulePointer<T> module) {
  children_[checked(index)].module = std::move(module);
  this->unprepared();
  return *this;
}

template <Scalar T>
Sequential<T>& Sequential<T>::remove(std::int64_t index) {
  children_.erase(children_.begin() + static_cast<std::ptrdiff_t>(checked(index)));
  this->unprepared();
  return *this;
}

template <Scalar T>
std::size_t Sequential<T>::checked(std::int64_t index) const {
  const std::int64_t position = index < 0 ? index + size() : index;
  if (position < 0 || position >= size()) {
    throw ArgumentError("sequential", "the index must name a child; got " + std::to_string(index) +
                                          " of " + std::to_string(size()));
  }
  return static_cast<std::size_t>(position);
}

template <Scalar T>
Module<T>& Sequential<T>::at(std::int64_t index) {
  return *children_[checked(index)].module;
}

template <Scalar T>
const Module<T>& Sequential<T>::at(std::int64_t index) const {
  return *children_[checked(index)].module;
}

template <Scalar T>
const std::string& Sequential<T>::name_at(std::int64_t index) const {
  return children_[checked(index)].name;
}

template <Scalar T>
void Sequential<T>::visit(Visitor<T>& visitor) {
  for (Child& child : children_) visitor(child.name, *child.module);
}

template <Scalar T>
Variable<T> Sequential<T>::forward(const Variable<T>& x, const Context<T>& ctx) const {
  Variable<T> y = x;
  for (std::size_t i = 0; i < children_.size();) {
    const Module<T>& module = *children_[i++].module;
    const Module<T>* next[kMostAbsorbed];
    std::size_t count = 0;
    if (ctx.fuse && !ctx.observer) {
      for (; count < kMostAbsorbed && i + count < children_.size(); ++count) {
        next[count] = &*children_[i + count].module;
      }
      count = module.absorbs(y.shape(), {next, count});
    }
    y = count > 0 ? module(y, ctx, {next, count}) : module(y, ctx);
    i += count;
  }
  return y;
}

template class Sequential<float>;
template class Sequential<double>;

}  // namespace lamina
