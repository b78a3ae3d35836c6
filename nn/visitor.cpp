#include <lamina/nn/module.hpp>
#include <lamina/nn/visitor.hpp>

namespace lamina {

template <Scalar T>
void Visitor<T>::walk(Module<T>& root) {
  module(prefix_, root);
  root.visit(*this);
}

template <Scalar T>
void Visitor<T>::child(std::string_view name, Module<T>& member) {
  std::string outer = path_of(name);
  std::swap(prefix_, outer);
  walk(member);
  std::swap(prefix_, outer);
}

template <Scalar T>
std::string Visitor<T>::path_of(std::string_view name) const {
  return prefix_.empty() ? std::string(name) : prefix_ + "." + std::string(name);
}

template class Visitor<float>;
template class Visitor<double>;

}  // namespace lamina
