// Visitor: walks what Module::visit lists. Naming, counting, copying into optimizers, saving,
// loading and printing are visitors.
//
// A subclass overrides what it wants to hear; paths are dotted from the module that walk() was
// given
// ("block1.bn.gamma"; the root itself has the empty path).
#pragma once

#include <lamina/nn/parameter.hpp>
#include <string>
#include <string_view>

namespace lamina {

template <Scalar T>
class Visitor {
 public:
  virtual ~Visitor() = default;

  // The module itself, then everything below it in the order of declaration.
  void walk(Module<T>& root);
  void walk(const Module<T>& root) {
    walk(const_cast<Module<T>&>(root));
  }  // for visitors that read

  // Called from Module::visit, once per member.
  void operator()(std::string_view name, Parameter<T>& member) { parameter(path_of(name), member); }
  void operator()(std::string_view name, Buffer<T>& member) { buffer(path_of(name), member); }
  void operator()(std::string_view name, Counter& member) { counter(path_of(name), member); }
  void operator()(std::string_view name, Module<T>& member) { child(name, member); }

 protected:
  virtual void module(const std::string& path, Module<T>& module) { (void)path, (void)module; }
  virtual void parameter(const std::string& path, Parameter<T>& parameter) {
    (void)path, (void)parameter;
  }
  virtual void buffer(const std::string& path, Buffer<T>& buffer) { (void)path, (void)buffer; }
  virtual void counter(const std::string& path, Counter& counter) { (void)path, (void)counter; }

  // Goes into a child; override to stay at one level.
  virtual void child(std::string_view name, Module<T>& module);

 private:
  std::string path_of(std::string_view name) const;

  std::string prefix_;
};

extern template class Visitor<float>;
extern template class Visitor<double>;

}  // namespace lamina
