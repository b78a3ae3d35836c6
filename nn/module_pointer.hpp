// ModulePointer: owns a module of any type with value semantics: copying it copies the module.
#pragma once

#include <lamina/nn/module.hpp>
#include <memory>
#include <utility>

namespace lamina {

template <Scalar T>
class ModulePointer {
 public:
  template <class M>
    requires std::derived_from<M, Module<T>>
  explicit ModulePointer(M module)
      : module_(std::make_unique<M>(std::move(module))),
        copy_([](const Module<T>& source) -> std::unique_ptr<Module<T>> {
          return std::make_unique<M>(static_cast<const M&>(source));
        }) {}

  ModulePointer(const ModulePointer& other) : module_(other.copy_(*other)), copy_(other.copy_) {}
  ModulePointer(ModulePointer&&) noexcept = default;
  ModulePointer& operator=(ModulePointer other) noexcept {
    std::swap(module_, other.module_);
    std::swap(copy_, other.copy_);
    return *this;
  }
  ~ModulePointer() = default;

  Module<T>& operator*() noexcept { return *module_; }
  const Module<T>& operator*() const noexcept { return *module_; }
  Module<T>* operator->() noexcept { return module_.get(); }
  const Module<T>* operator->() const noexcept { return module_.get(); }

 private:
  std::unique_ptr<Module<T>> module_;
  std::unique_ptr<Module<T>> (*copy_)(const Module<T>&);
};

}  // namespace lamina
