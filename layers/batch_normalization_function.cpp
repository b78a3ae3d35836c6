#include <lamina/layers/batch_normalization_function.hpp>
#include <set>

namespace lamina {
namespace {

// A root that holds the layer under the scope's path, so that errors and random streams carry it.
template <Scalar T>
class NamedLayer : public Module<T> {
 public:
  NamedLayer(std::string path, const BatchNormalizationOptions& options)
      : path_(std::move(path)), layer_(options) {}

  void visit(Visitor<T>& visitor) override { visitor(path_, layer_); }
  Variable<T> forward(const Variable<T>& x, const Context<T>& ctx) const override {
    return layer_(x, ctx);
  }
  BatchNormalization<T>& layer() { return layer_; }

 private:
  std::string path_;
  BatchNormalization<T> layer_;
};

// First pass: which variables are there. Nothing is bound before every one was found in order.
template <Scalar T>
class Finder : public Visitor<T> {
 public:
  Finder(const Scope& scope, const Shape& shape) : scope_(scope), shape_(shape) {}
  std::set<std::string> found;

 protected:
  void parameter(const std::string& name, Parameter<T>&) override {
    if (scope_.find<Parameter<T>>(name, shape_)) found.insert(name);
  }
  void buffer(const std::string& name, Buffer<T>&) override {
    if (scope_.find<Buffer<T>>(name, shape_)) found.insert(name);
  }

 private:
  const Scope& scope_;
  Shape shape_;
};

template <Scalar T>
class Binder : public Visitor<T> {
 public:
  Binder(const Scope& scope, const std::set<std::string>& found) : scope_(scope), found_(found) {}

 protected:
  void parameter(const std::string& name, Parameter<T>& member) override { bind(name, member); }
  void buffer(const std::string& name, Buffer<T>& member) override { bind(name, member); }
  void counter(const std::string& name, Counter& member) override {
    scope_.bind_counter(name, member);
  }

 private:
  template <class Member>
  void bind(const std::string& name, Member& member) {
    if (found_.contains(name)) scope_.bind(name, member);
  }
  const Scope& scope_;
  const std::set<std::string>& found_;
};

template <Scalar T>
class Storer : public Visitor<T> {
 public:
  Storer(const Scope& scope, const std::set<std::string>& found) : scope_(scope), found_(found) {}

 protected:
  void parameter(const std::string& name, Parameter<T>& member) override { store(name, member); }
  void buffer(const std::string& name, Buffer<T>& member) override { store(name, member); }

 private:
  template <class Member>
  void store(const std::string& name, const Member& member) {
    if (!found_.contains(name)) scope_.store(name, member);
    member.data()->path = scope_.full_name(name);  // the call named it after its layer
  }
  const Scope& scope_;
  const std::set<std::string>& found_;
};

}  // namespace

template <Scalar T>
Variable<T> batch_normalization(const Scope& scope, const Variable<T>& inputs,
                                const Context<T>& ctx, const BatchNormalizationOptions& options,
                                Reuse reuse) {
  const Scope own = scope.layer_scope(options.name, "batch_normalization", reuse);
  NamedLayer<T> root(own.path(), options);
  BatchNormalization<T>& layer = root.layer();
  Finder<T> finder(own, NormalizationAxes(options.axis, inputs.shape()).parameter_shape());
  finder.walk(layer);
  Binder<T>(own, finder.found).walk(layer);
  const Variable<T> outputs = root(inputs, ctx);
  Storer<T>(own, finder.found).walk(layer);
  return outputs;
}

template Variable<float> batch_normalization(const Scope&, const Variable<float>&,
                                             const Context<float>&,
                                             const BatchNormalizationOptions&, Reuse);
template Variable<double> batch_normalization(const Scope&, const Variable<double>&,
                                              const Context<double>&,
                                              const BatchNormalizationOptions&, Reuse);

}  // namespace lamina
