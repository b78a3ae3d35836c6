// Sequential: modules applied one after the other.
//
//   Sequential<float> net;
//   net.add<Dense>({.units = 128}).add<ReLU>().add<Dense>({.units = 10});
//   net.add(MyBlock());                      // a module of one's own, by value
//
// Adjacent layers are computed in one pass where the first absorbs the others (dense and ReLU;
// batch normalization and ReLU and 2 x 2 max pooling), unless the context says otherwise: the same
// numbers, to rounding.
//
// Children are named after their type, numbered when it occurs again ("dense", "dense_1"), or by
// their option .name. Copying copies the children. Errors: ArgumentError for a name that is taken
// or holds a dot, or an index out of range.
#pragma once

#include <lamina/nn/module_pointer.hpp>
#include <string>
#include <vector>

namespace lamina {

template <Scalar T>
class Sequential : public Module<T> {
 public:
  Sequential() = default;
  Sequential(const Sequential&) = default;
  Sequential(Sequential&&) noexcept = default;
  // Where the children have the types of the other's, they are assigned to one by one.
  Sequential& operator=(const Sequential&) = default;
  Sequential& operator=(Sequential&& other);
  ~Sequential() override = default;

  // A layer that is a template over the scalar, made from its options.
  template <template <class> class Layer>
  Sequential& add(typename Layer<T>::Options options = {}) {
    return add(Layer<T>(std::move(options)));
  }
  // Any module, by value.
  template <class M>
    requires std::derived_from<M, Module<T>>
  Sequential& add(M module) {
    return append(ModulePointer<T>(std::move(module)), {});
  }
  // Under a given name: what loading a file does. An empty name stands for the automatic one.
  Sequential& append(ModulePointer<T> module, const std::string& name);
  // Another module in the place of a child, under its name; or none. What an optimizer was made for
  // lives on in it, unused.
  Sequential& replace(std::int64_t index, ModulePointer<T> module);
  Sequential& remove(std::int64_t index);

  std::int64_t size() const noexcept { return static_cast<std::int64_t>(children_.size()); }
  Module<T>& at(std::int64_t index);
  const Module<T>& at(std::int64_t index) const;
  const std::string& name_at(std::int64_t index) const;

  void visit(Visitor<T>& visitor) override;
  Variable<T> forward(const Variable<T>& x, const Context<T>& ctx) const override;
  std::string type() const override { return "sequential"; }

 private:
  struct Child {
    std::string name;
    ModulePointer<T> module;
  };
  std::size_t checked(std::int64_t index) const;
  bool taken(const std::string& name) const;

  std::vector<Child> children_;
};

extern template class Sequential<float>;
extern template class Sequential<double>;

}  // namespace lamina
