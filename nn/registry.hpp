// Registry: type name -> factory. Loading a model file makes exactly the types that are registered,
// with the argument checks of a user's call; the file can never create anything else.
//
//   auto registry = standard_registry<float>();      // every layer of lamina
//   registry.add<ResidualBlock>();                   // one's own, by an explicit call
//
// A registered type has a constructor from its Options (an aggregate with visit, see options.hpp),
// or a default constructor when it has no Options. The option "checkpointed" makes it a
// Checkpointed<Type>. Errors: ArgumentError for a type that is registered twice or not at all.
#pragma once

#include <functional>
#include <lamina/nn/checkpointed.hpp>
#include <lamina/nn/module_pointer.hpp>
#include <map>
#include <string>
#include <vector>

namespace lamina {

template <Scalar T>
class Registry {
 public:
  // Fills the fields of an options aggregate by name.
  using Factory = std::function<ModulePointer<T>(OptionVisitor& reader)>;

  void add(const std::string& type, Factory factory);

  template <class M>
    requires std::derived_from<M, Module<T>>
  Registry& add() {
    if constexpr (requires { typename M::Options; }) {
      add(blank<M>().type(), [](OptionVisitor& reader) {
        auto options = blank_options<typename M::Options>();
        options.visit(reader);
        return finished(M(std::move(options)), reader);
      });
    } else {
      add(M().type(), [](OptionVisitor& reader) { return finished(M(), reader); });
    }
    return *this;
  }
  template <template <class> class Layer>
  Registry& add() {
    return add<Layer<T>>();
  }

  bool contains(const std::string& type) const { return factories_.contains(type); }
  std::vector<std::string> types() const;
  ModulePointer<T> make(const std::string& type, OptionVisitor& reader) const;

  // The module, checkpointed where the options say so.
  template <class M>
  static ModulePointer<T> finished(M module, OptionVisitor& reader) {
    if constexpr (!std::is_final_v<M>) {
      bool recompute = false;
      reader(kCheckpointedOption, recompute);
      if (recompute) return ModulePointer<T>(checkpointed(std::move(module)));
    }
    return ModulePointer<T>(std::move(module));
  }

 private:
  // Options with Required fields say how an unfilled one is made; blank() holds values that pass
  // the constructor's checks.
  template <class Options>
  static Options blank_options() {
    if constexpr (requires { Options::blank(); }) {
      return Options::blank();
    } else {
      return Options{};
    }
  }
  template <class M>
  static M blank() {
    return M(blank_options<typename M::Options>());
  }

  std::map<std::string, Factory> factories_;
};

extern template class Registry<float>;
extern template class Registry<double>;

}  // namespace lamina
