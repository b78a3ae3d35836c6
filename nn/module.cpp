#include <cxxabi.h>

#include <cctype>
#include <cstdlib>
#include <lamina/autograd/ops/elementwise.hpp>
#include <lamina/autograd/tensor/error.hpp>
#include <lamina/nn/module.hpp>
#include <typeinfo>
#include <unordered_set>

namespace lamina {

namespace {

// "lamina::BatchNormalization<float>" -> "batch_normalization", "MaxPool2D" -> "max_pool2d".
std::string snake_case_of(const std::type_info& info) {
  int status = 0;
  char* demangled = abi::__cxa_demangle(info.name(), nullptr, nullptr, &status);
  std::string name = status == 0 ? demangled : info.name();
  std::free(demangled);
  for (auto open = name.rfind('<'); open != std::string::npos; open = name.rfind('<')) {
    name.erase(open, name.find('>', open) - open + 1);  // the innermost arguments first
  }
  const auto scope = name.rfind("::");
  if (scope != std::string::npos) name = name.substr(scope + 2);
  std::string result;
  for (std::size_t i = 0; i < name.size(); ++i) {
    const auto c = static_cast<unsigned char>(name[i]);
    const bool starts_word =
        std::isupper(c) && i > 0 && std::islower(static_cast<unsigned char>(name[i - 1])) != 0;
    if (starts_word) result += '_';
    result += static_cast<char>(std::tolower(c));
  }
  return result;
}

// Whether a module's own parameters and buffers all have values.
template <Scalar T>
class OwnStateVisitor : public Visitor<T> {
 public:
  bool complete = true;

 protected:
  void parameter(const std::string&, Parameter<T>& parameter) override {
    complete = complete && parameter.defined();
  }
  void buffer(const std::string&, Buffer<T>& buffer) override {
    complete = complete && buffer.defined();
  }
  void child(std::string_view, Module<T>&) override {}
};

template <Scalar T>
class WholeStateVisitor : public OwnStateVisitor<T> {
 protected:
  void child(std::string_view name, Module<T>& module) override { Visitor<T>::child(name, module); }
};

template <Scalar T>
bool own_state_complete(const Module<T>& module) {
  OwnStateVisitor<T> visitor;
  visitor.walk(module);
  return visitor.complete;
}

// The handles on tied state in a tree.
template <Scalar T>
class TiedHandleVisitor : public Visitor<T> {
 public:
  std::vector<const void*> handles;

 protected:
  void parameter(const std::string&, Parameter<T>& parameter) override { add(parameter); }
  void buffer(const std::string&, Buffer<T>& buffer) override { add(buffer); }
  void counter(const std::string&, Counter& counter) override { add(counter); }

 private:
  template <class Member>
  void add(const Member& member) {
    if (member.tied_handle()) handles.push_back(member.tied_handle());
  }
};

template <Scalar T>
class ParameterCollector : public Visitor<T> {
 public:
  std::vector<std::shared_ptr<ParameterData<T>>> parameters;

 protected:
  void parameter(const std::string&, Parameter<T>& parameter) override {
    if (seen_.insert(parameter.data().get()).second) parameters.push_back(parameter.data());
  }

 private:
  std::unordered_set<const void*> seen_;
};

}  // namespace

template <Scalar T>
class NamingVisitor : public Visitor<T> {
 public:
  // Names the tree below `root`, which may itself be part of one that was named as a whole.
  void name(Module<T>& root) {
    tree_ = root.named_by_.lock();
    const bool part = tree_ && tree_ != root.whole_;
    prefix_ = part ? root.path_ : std::string();
    if (!part && !root.whole_) root.whole_ = std::make_shared<const detail::Tree>();
    if (!part) tree_ = root.whole_;
    this->walk(root);
  }
  bool met(const Module<T>& module) const { return modules_.contains(&module); }

 protected:
  void module(const std::string& path, Module<T>& module) override {
    require_new(path, "module");
    module.path_ = whole(path);
    module.named_by_ = tree_;
    modules_.insert(&module);
  }
  // A tied parameter keeps the first of its names.
  void parameter(const std::string& path, Parameter<T>& parameter) override {
    require_new(path, "parameter");
    if (named_.insert(parameter.data().get()).second) parameter.data()->path = whole(path);
  }
  void buffer(const std::string& path, Buffer<T>& buffer) override {
    require_new(path, "buffer");
    if (named_.insert(buffer.data().get()).second) buffer.data()->path = whole(path);
  }
  void counter(const std::string& path, Counter&) override { require_new(path, "counter"); }

 private:
  std::string whole(const std::string& path) const {
    if (prefix_.empty() || path.empty()) return prefix_ + path;
    return prefix_ + "." + path;
  }
  void require_new(const std::string& path, const char* kind) {
    if (paths_.insert(path).second) return;
    throw StateError("visit", std::string("names within a module must differ; got two members at "
                                          "path '") +
                                  path + "', the second is a " + kind);
  }

  std::string prefix_;
  std::shared_ptr<const detail::Tree> tree_;
  std::unordered_set<std::string> paths_;
  std::unordered_set<const void*> named_;
  std::unordered_set<const void*> modules_;
};

template <Scalar T>
class UnpreparingVisitor : public Visitor<T> {
 protected:
  void module(const std::string&, Module<T>& module) override { module.unprepared(); }
};

template <Scalar T>
void Builder<T>::require_shape(std::string_view name, const Shape& found,
                               const Shape& expected) const {
  if (found == expected) return;
  throw ShapeError(std::string(name), "the stored value must fit the input; got shape " +
                                          found.to_string() + ", expected " + expected.to_string());
}

template <Scalar T>
Tensor<T> Builder<T>::draw(std::string_view name, const Shape& shape,
                           const Initializer& initializer) const {
  if (!ctx_.rng) {
    throw StateError(std::string(name),
                     "building parameters needs random numbers; got a context without rng");
  }
  const std::string path = path_.empty() ? std::string(name) : path_ + "." + std::string(name);
  Tensor<T> value = initializer.operator()<T>(shape, ctx_.rng->stream(path, 0));
  if (!(value.shape() == shape)) {
    throw ShapeError(std::string(name),
                     "an initializer must return the shape that it was asked "
                     "for; got " +
                         value.shape().to_string() + ", expected " + shape.to_string());
  }
  return value;
}

template <Scalar T>
void Builder<T>::operator()(std::string_view name, Parameter<T>& parameter, const Shape& shape,
                            const Initializer& initializer) {
  if (parameter.defined()) return require_shape(name, parameter.shape(), shape);
  parameter.assign(draw(name, shape, initializer));
  if (ctx_.tree_call) ctx_.tree_call->made(parameter.data());
}

template <Scalar T>
void Builder<T>::operator()(std::string_view name, Buffer<T>& buffer, const Shape& shape,
                            const Initializer& initializer) {
  if (buffer.defined()) return require_shape(name, buffer.shape(), shape);
  buffer.assign(draw(name, shape, initializer));
  if (ctx_.tree_call) ctx_.tree_call->made(buffer.data());
}

template <Scalar T>
Variable<T> Module<T>::operator()(const Variable<T>& x, const Context<T>& ctx) {
  return call(x, ctx, [&](const Context<T>& inner) { return forward(x, inner); });
}

template <Scalar T>
Variable<T> Module<T>::operator()(const Variable<T>& x, const Context<T>& ctx) const {
  return call(x, ctx, [&](const Context<T>& inner) { return forward(x, inner); });
}

template <Scalar T>
Variable<T> Module<T>::operator()(const Variable<T>& x, const Context<T>& ctx,
                                  Followers<T> absorbed) const {
  return call(x, ctx,
              [&](const Context<T>& inner) { return forward_absorbing(x, inner, absorbed); });
}

template <Scalar T>
Variable<T> Module<T>::forward_absorbing(const Variable<T>& x, const Context<T>& ctx,
                                         Followers<T> absorbed) const {
  Variable<T> y = forward(x, ctx);
  for (const Module* module : absorbed) y = (*module)(y, ctx);
  return y;
}

// The outermost call decided whether the tree may be changed; where it may, its objects are not
// const, so that writing through the cast is defined.
template <Scalar T>
void Module<T>::prepare(const Shape& input, const Context<T>& ctx) const {
  const bool complete = own_state_complete(*this);
  if (!ctx.writable) {
    if (!complete) {
      throw StateError(type(),
                       "a module must be built before a const call; call it once as non-const, "
                       "or load it");
    }
    Prepared expected = Prepared::no;
    prepared_.compare_exchange_strong(expected, Prepared::built, std::memory_order_relaxed);
    return;
  }
  NamingVisitor<T> visitor;
  visitor.name(*const_cast<Module<T>*>(ctx.root));
  if (!complete && !visitor.met(*this)) {
    throw StateError(type(),
                     "a module with parameters must be listed in the visit of the module that "
                     "calls it");
  }
  // Also where a file gave every value: the builder then checks that they fit options and input.
  Builder<T> builder(ctx, path_);
  const_cast<Module<T>*>(this)->build(input, builder);
  if (!own_state_complete(*this)) {
    throw StateError(type(), "build must define every parameter and buffer that visit lists");
  }
  prepared_.store(Prepared::named, std::memory_order_relaxed);
}

template <Scalar T>
void Module<T>::unprepare_tree() const {
  UnpreparingVisitor<T> visitor;
  visitor.walk(*this);
}

template <Scalar T>
void Module<T>::enter_tree_copy(const Module& source) {
  if (detail::sharing_scopes > 0) return;
  TiedHandleVisitor<T> visitor;
  visitor.walk(source);
  detail::tree_copy().enter(std::move(visitor.handles));
}

template <Scalar T>
void Module<T>::rethrow_with_path() const {
  try {
    throw;
  } catch (Error& error) {
    error.enter(path_, type());
    throw;
  }
}

template <Scalar T>
std::string Module<T>::type() const {
  return snake_case_of(class_info());
}

template <Scalar T>
void Module<T>::name_tree() {
  NamingVisitor<T> visitor;
  visitor.name(*this);
}

template <Scalar T>
bool Module<T>::built() const {
  WholeStateVisitor<T> visitor;
  visitor.walk(*this);
  return visitor.complete;
}

template <Scalar T>
std::vector<std::shared_ptr<ParameterData<T>>> Module<T>::parameters() {
  name_tree();
  ParameterCollector<T> collector;
  collector.walk(*this);
  return std::move(collector.parameters);
}

template <Scalar T>
Penalty<T>::operator Variable<T>() const {
  ParameterCollector<T> collector;
  collector.walk(*root_);
  Variable<T> sum(Tensor<T>::scalar(T{0}));
  for (const auto& parameter : collector.parameters) {
    if (!parameter->regularizer || !parameter->value.defined()) continue;
    const Variable<T> weights = ctx_.tape && parameter->trainable
                                    ? ctx_.tape->watch(std::shared_ptr<Leaf<T>>(parameter))
                                    : Variable<T>(parameter->value);
    sum = add(sum, parameter->regularizer(weights));
  }
  return sum;
}

template <Scalar T>
Tensor<T> Penalty<T>::value() const {
  return Variable<T>(Penalty(*root_, Context<T>::for_inference())).value();
}

template <Scalar T>
Variable<T> Penalty<T>::added_to(const Variable<T>& loss) const {
  return add(loss, Variable<T>(*this));
}

template class Builder<float>;
template class Builder<double>;
template class Penalty<float>;
template class Penalty<double>;
template class Module<float>;
template class Module<double>;

}  // namespace lamina
