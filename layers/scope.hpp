// Scope: variables by name, as in TensorFlow's variable scopes, for layers that are called as
// functions.
//
//   Scope root;
//   Scope block = root.scope("block");
//   auto y = batch_normalization(block, x, ctx);   // block/batch_normalization/gamma
//   auto z = batch_normalization(block, y, ctx);   // block/batch_normalization_1/gamma
//   auto w = batch_normalization(block, z, ctx, {.name = "bn"}, Reuse::automatic);
//
// A scope is a cheap handle: copies mean the same entry of the same scope. Names of inner scopes
// are joined by slashes. scope("a") enters a: entering it again starts its numbering of unnamed
// layers anew, so that the same calls meet the same names. reuse is inherited: inside a scope that
// reuses, everything reuses.
//
//   Reuse::no          variables are made; one that exists is an error
//   Reuse::yes         variables must exist
//   Reuse::automatic   what exists is taken, the rest is made
//
// Errors: ArgumentError for a name with other characters than letters, digits and "_.\/>-";
// StateError for a variable that exists or is missing against `reuse`; ShapeError and ArgumentError
// for one of another shape or type. Thread-safety: one thread at a time per root. Source:
// tf.compat.v1.variable_scope.
#pragma once

#include <lamina/nn/optimizer.hpp>
#include <lamina/nn/parameter.hpp>
#include <map>
#include <memory>
#include <string>
#include <variant>
#include <vector>

namespace lamina {

enum class Reuse { no, yes, automatic };

class Scope {
 public:
  Scope();  // a root, with variables of its own

  // Enters the scope of that name inside this one.
  Scope scope(const std::string& name, Reuse reuse = Reuse::no) const;

  // "a/b"; empty for the root.
  const std::string& path() const noexcept { return entry_->path; }
  Reuse reuse() const noexcept { return entry_->reuse; }

  // Enters the scope of a layer: of `name`, or, where that is empty, of `base` made unique by a
  // number, unless reuse is asked of this very call.
  Scope layer_scope(const std::string& name, const std::string& base, Reuse reuse) const;

  // The variables of the whole tree in the order of creation: "a/bn/gamma".
  std::vector<std::string> variables() const;
  template <Scalar T>
  ParameterList<T> parameters() const;
  // Sum of the penalties of every parameter at or below this scope that has a regularizer.
  template <Scalar T>
  Variable<T> regularization(const Context<T>& ctx) const;

  // ---- for layers that are functions ----
  std::string full_name(const std::string& name) const;  // "a/bn/gamma"
  // Whether the variable is there; errors as the scope's reuse demands.
  template <class Member>
  bool find(const std::string& name, const Shape& shape) const;
  // A second handle on an existing variable, put in the place of `member`.
  template <class Member>
  void bind(const std::string& name, Member& member) const;
  // Keeps a handle on a new variable.
  template <class Member>
  void store(const std::string& name, const Member& member) const;
  // Counters go with the variables of their layer: one that is there is put in the place of
  // `member`, else a handle on this one is kept. They are no variables, and reuse does not ask for
  // them.
  void bind_counter(const std::string& name, Counter& member) const;

 private:
  using Stored = std::variant<Parameter<float>, Parameter<double>, Buffer<float>, Buffer<double>>;
  struct Store {
    std::map<std::string, Stored> variables;
    std::vector<std::string> order;
    std::map<std::string, Counter> counters;
  };
  // One entering of a scope.
  struct Entry {
    std::shared_ptr<Store> store;
    std::string path;
    Reuse reuse = Reuse::no;
    std::map<std::string, int> entered;  // how often each inner name was used
  };

  explicit Scope(std::shared_ptr<Entry> entry) : entry_(std::move(entry)) {}
  bool contains(const std::string& path) const;

  std::shared_ptr<Entry> entry_;
};

}  // namespace lamina
