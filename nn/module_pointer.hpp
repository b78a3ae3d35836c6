// ModulePointer: owns a module of any type with value semantics: copying it copies the module, and
// assigning one module to another of its type assigns the members, so that an optimizer made for
// the target stays with it. Moving passes the module on.
#pragma once

#include <lamina/nn/module.hpp>
#include <memory>
#include <type_traits>
#include <typeinfo>
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
        }) {
    if constexpr (std::is_copy_assignable_v<M>) {
      assign_ = [](Module<T>& target, const Module<T>& source) {
        static_cast<M&>(target) = static_cast<const M&>(source);
      };
    }
  }

  ModulePointer(const ModulePointer& other)
      : module_(other.copy_(*other)), copy_(other.copy_), assign_(other.assign_) {}
  ModulePointer(ModulePointer&&) noexcept = default;
  ModulePointer& operator=(const ModulePointer& other) {
    if (module_ && assign_ && same_type(other)) {
      assign_(*module_, *other.module_);
    } else {
      *this = ModulePointer(other);
    }
    return *this;
  }
  ModulePointer& operator=(ModulePointer&&) noexcept = default;
  ~ModulePointer() = default;

  Module<T>& operator*() noexcept { return *module_; }
  const Module<T>& operator*() const noexcept { return *module_; }
  bool same_type(const ModulePointer& other) const {
    const Module<T>& a = *module_;
    const Module<T>& b = *other.module_;
    return typeid(a) == typeid(b);
  }

  Module<T>* operator->() noexcept { return module_.get(); }
  const Module<T>* operator->() const noexcept { return module_.get(); }

 private:
  std::unique_ptr<Module<T>> module_;
  std::unique_ptr<Module<T>> (*copy_)(const Module<T>&);
  void (*assign_)(Module<T>& target, const Module<T>& source) = nullptr;  // null: M has none
};

}  // namespace lamina
