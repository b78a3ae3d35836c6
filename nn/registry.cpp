#include <lamina/autograd/tensor/error.hpp>
#include <lamina/nn/registry.hpp>

namespace lamina {

template <Scalar T>
void Registry<T>::add(const std::string& type, Factory factory) {
  if (!factories_.emplace(type, std::move(factory)).second) {
    throw ArgumentError("registry", "a type must be registered once; got '" + type + "' again");
  }
}

template <Scalar T>
std::vector<std::string> Registry<T>::types() const {
  std::vector<std::string> names;
  for (const auto& [type, factory] : factories_) names.push_back(type);
  return names;
}

template <Scalar T>
ModulePointer<T> Registry<T>::make(const std::string& type, OptionVisitor& reader) const {
  const auto found = factories_.find(type);
  if (found == factories_.end()) {
    throw ArgumentError(
        "registry", "a module type must be registered before it can be made; got '" + type + "'");
  }
  return found->second(reader);
}

template class Registry<float>;
template class Registry<double>;

}  // namespace lamina
