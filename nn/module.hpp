// Module: something with parameters that maps a variable to a variable.
//
// A module of one's own lists its members once, in visit(), and says what it does, in forward():
//
//   struct ResidualBlock : Module<float> {
//     Conv2D<float> conv{{.filters = 32, .kernel = {3, 3}, .padding = Padding::same}};
//     BatchNormalization<float> bn{{}};
//     void visit(Visitor<float>& v) override { v("conv", conv); v("bn", bn); }
//     Variable<float> forward(const Variable<float>& x, const Context<float>& ctx) const override {
//       return relu(x + bn(conv(x, ctx), ctx));
//     }
//   };
//
// Naming, copying (deep, by the compiler-written constructor), saving, summary and optimizers
// follow from visit(). forward() is const: state changes go through ctx.update(). Parameters whose
// shape depends on the input are made in build(), on the first call of a tree that is not const.
//
// The outermost call is all or nothing: state changes are written when it has succeeded, and a
// first call that fails leaves nothing built.
//
// Errors raised inside a call carry the dotted path of the innermost module. StateError: a const
// call on a module never built; building without random numbers in the context. Thread-safety:
// const calls without tape and without updates may run on many threads at once.
#pragma once

#include <atomic>
#include <lamina/nn/detail/tree_call.hpp>
#include <lamina/nn/options.hpp>
#include <lamina/nn/visitor.hpp>
#include <memory>
#include <span>
#include <string>
#include <type_traits>
#include <typeinfo>
#include <vector>

namespace lamina {

// Makes the parameters and buffers of a module on its first call.
template <Scalar T>
class Builder {
 public:
  Builder(const Context<T>& ctx, std::string path) : ctx_(ctx), path_(std::move(path)) {}

  // Draws the value from the stream of the path "<module>.<name>". A value that is already there
  // (from a file) stays; ShapeError when it has another shape.
  void operator()(std::string_view name, Parameter<T>& parameter, const Shape& shape,
                  const Initializer& initializer);
  void operator()(std::string_view name, Buffer<T>& buffer, const Shape& shape,
                  const Initializer& initializer);

 private:
  Tensor<T> draw(std::string_view name, const Shape& shape, const Initializer& initializer) const;
  void require_shape(std::string_view name, const Shape& found, const Shape& expected) const;

  const Context<T>& ctx_;
  std::string path_;
};

template <Scalar T>
class NamingVisitor;
template <Scalar T>
class UnpreparingVisitor;

namespace detail {
template <Scalar T>
class StateSnapshot;
struct Tree {};  // what the modules of a named tree have in common; its root owns it
}  // namespace detail

// The sum of the penalties of a tree, taken at the moment of its use. In
//
//   auto loss = softmax_cross_entropy(net(x, ctx), y) + net.regularization(ctx);
//
// C++ may evaluate the right side first, when a new network has no parameters yet; the addition is
// what comes last in any order. The tree and what the context points to must live until then.
template <Scalar T>
class Penalty {
 public:
  Penalty(Module<T>& root, const Context<T>& ctx) : root_(&root), ctx_(ctx) {}

  operator Variable<T>() const;  // NOLINT: implicit by intent
  // The number alone; nothing is recorded.
  Tensor<T> value() const;
  T item() const { return value().item(); }

  friend Variable<T> operator+(const Variable<T>& loss, const Penalty& penalty) {
    return penalty.added_to(loss);
  }

 private:
  Variable<T> added_to(const Variable<T>& loss) const;

  Module<T>* root_;
  Context<T> ctx_;
};

// Modules that are called one after the other.
template <Scalar T>
using Followers = std::span<const Module<T>* const>;

template <Scalar T>
class Module {
 public:
  using value_type = T;

  virtual ~Module() = default;

  Variable<T> operator()(const Variable<T>& x, const Context<T>& ctx);
  Variable<T> operator()(const Variable<T>& x, const Context<T>& ctx) const;
  // This module and the ones that it absorbs.
  Variable<T> operator()(const Variable<T>& x, const Context<T>& ctx, Followers<T> absorbed) const;

  // ---- what a module defines ----
  virtual void visit(Visitor<T>& visitor) = 0;
  virtual Variable<T> forward(const Variable<T>& x, const Context<T>& ctx) const = 0;
  // Makes the parameters for inputs of this shape; called before the first forward of a tree that
  // is not const, also where values were loaded or copied: the builder keeps those, and checks
  // their shapes.
  virtual void build(const Shape& input, Builder<T>& builder) { (void)input, (void)builder; }
  // What it calls itself in errors, files and as a child: "dense". Default: the name of
  // class_info() in that form.
  virtual std::string type() const;
  // The name its parent should give it; empty: its type.
  virtual std::string name() const { return {}; }
  virtual void visit_options(OptionVisitor& visitor) { (void)visitor; }
  // Products and sums per call, without those of its children; for summary().
  virtual std::int64_t multiply_adds(const Shape& input, const Shape& output) const {
    return (void)input, (void)output, 0;
  }
  // How many of the modules that follow it in a Sequential it computes in the same pass over the
  // data, for an input of this shape; forward_absorbing() then gets them. The numbers are those of
  // the modules one by one, to rounding. What is absorbed has no parameters and raises no errors.
  virtual std::size_t absorbs(const Shape& input, Followers<T> next) const {
    return (void)input, (void)next, 0;
  }
  virtual Variable<T> forward_absorbing(const Variable<T>& x, const Context<T>& ctx,
                                        Followers<T> absorbed) const;

  // ---- what follows from visit() ----
  // Every parameter of the tree once, named. The pointers stay valid when the module moves.
  std::vector<std::shared_ptr<ParameterData<T>>> parameters();
  // Sum of the penalties of all regularized parameters; a constant 0 where there are none.
  Penalty<T> regularization(const Context<T>& ctx) { return Penalty<T>(*this, ctx); }
  // Gives every module, parameter and buffer below this root its dotted path; a part of a tree that
  // was named as a whole keeps the names that it has there, while the root lives.
  void name_tree();
  // Whether every parameter and buffer of the tree has a value.
  bool built() const;
  const std::string& path() const noexcept { return path_; }

 protected:
  Module() = default;
  Module(const Module& other) : path_(other.path_) {
    if (detail::ties_exist.load(std::memory_order_relaxed)) enter_tree_copy(other);
  }
  // Both keep the name: what was moved from may be assigned to.
  Module(Module&& other) noexcept
      : path_(other.path_), whole_(std::move(other.whole_)), named_by_(other.named_by_) {
    if (whole_) other.named_by_.reset();
  }
  // A module keeps its name; what it was given may be without values.
  Module& operator=(const Module&) noexcept { return unprepared(); }
  Module& operator=(Module&&) noexcept { return unprepared(); }

  // What visit() lists has changed; the next call names and builds it.
  Module& unprepared() noexcept {
    prepared_.store(Prepared::no, std::memory_order_relaxed);
    return *this;
  }

  // The class that it passes for; not its own where a class is derived for lamina's purposes.
  virtual const std::type_info& class_info() const { return typeid(*this); }

  // For modules with a method of their own beside forward (several inputs, say): runs `function`
  // with the context that the children must get, with names, building rights and error paths as a
  // call. With x, the module is built for it and observed with it as by its call operator.
  template <class Function>
  Variable<T> call(const Variable<T>& x, const Context<T>& ctx, Function&& function) {
    return entered(ctx, true, [&](const Context<T>& inner) { return run(x, inner, function); });
  }
  template <class Function>
  Variable<T> call(const Variable<T>& x, const Context<T>& ctx, Function&& function) const {
    return entered(ctx, false, [&](const Context<T>& inner) { return run(x, inner, function); });
  }
  template <class Function>
  auto call(const Context<T>& ctx, Function&& function) {
    return entered(ctx, true, std::forward<Function>(function));
  }
  template <class Function>
  auto call(const Context<T>& ctx, Function&& function) const {
    return entered(ctx, false, std::forward<Function>(function));
  }

 private:
  friend class NamingVisitor<T>;
  friend class UnpreparingVisitor<T>;
  friend class detail::StateSnapshot<T>;

  template <class Function>
  Variable<T> run(const Variable<T>& x, const Context<T>& ctx, Function&& function) const {
    if (!is_prepared(ctx)) prepare(x.shape(), ctx);
    Variable<T> y = function(ctx);
    if (ctx.observer) ctx.observer->called(*this, x, y);
    return y;
  }
  bool is_prepared(const Context<T>& ctx) const noexcept {
    const Prepared needed = ctx.writable ? Prepared::named : Prepared::built;
    return prepared_.load(std::memory_order_relaxed) >= needed;
  }
  void prepare(const Shape& input, const Context<T>& ctx) const;
  void unprepare_tree() const;
  static void enter_tree_copy(const Module& source);
  [[noreturn]] void rethrow_with_path() const;

  // Runs function(context of the tree); the outermost call is all or nothing.
  template <class Function>
  auto entered(const Context<T>& ctx, bool writable, Function&& function) const {
    if (ctx.root) return guarded(ctx, function);
    detail::TreeCall<T> tree(ctx, *this, writable);
    try {
      if constexpr (std::is_void_v<decltype(function(ctx))>) {
        guarded(tree.context(), function);
        tree.finish();
      } else {
        auto result = guarded(tree.context(), function);
        tree.finish();
        return result;
      }
    } catch (...) {
      if (tree.undo()) unprepare_tree();
      throw;
    }
  }
  template <class Function>
  auto guarded(const Context<T>& ctx, Function&& function) const {
    try {
      return function(ctx);
    } catch (...) {
      rethrow_with_path();
    }
  }

  std::string path_;
  // The tree of which this module is the root, and the one whose naming gave the path. Compared
  // only; a copy belongs to nobody's tree yet, and what is left of a tree without root to none.
  std::shared_ptr<const detail::Tree> whole_;
  std::weak_ptr<const detail::Tree> named_by_;
  // How far the fast path of a call may trust this module. Atomic because const calls on many
  // threads may set it.
  enum class Prepared : std::uint8_t { no, built, named };
  mutable std::atomic<Prepared> prepared_{Prepared::no};
};

extern template class Builder<float>;
extern template class Builder<double>;
extern template class Penalty<float>;
extern template class Penalty<double>;
extern template class Module<float>;
extern template class Module<double>;

}  // namespace lamina
