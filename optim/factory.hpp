// OptimizerFactory: an optimizer that does not know its parameters and its scalar type yet: what
// sgd({...}), adam({...}) return and Trainer takes. A value.
//
//   OptimizerFactory factory = adam({.learning_rate = 1e-3});
//   std::unique_ptr<Optimizer<float>> optimizer = factory.make(net.parameters());
//
// A class template of one's own, `MyOptimizer<T>(ParameterList<T>, MyOptions)`, becomes a factory
// by OptimizerFactory::of<MyOptimizer>("my_optimizer", options). Thread-safety: immutable.
#pragma once

#include <lamina/nn/optimizer.hpp>
#include <memory>
#include <string>
#include <utility>

namespace lamina {

class OptimizerFactory {
 public:
  template <template <class> class Algorithm, class Options>
  static OptimizerFactory of(std::string type, Options options) {
    return OptimizerFactory(
        std::make_shared<Recipe<Algorithm, Options>>(std::move(type), std::move(options)));
  }

  std::unique_ptr<Optimizer<float>> make(const ParameterList<float>& parameters) const {
    return recipe_->make(parameters);
  }
  std::unique_ptr<Optimizer<double>> make(const ParameterList<double>& parameters) const {
    return recipe_->make(parameters);
  }
  const std::string& type() const noexcept { return recipe_->type; }

 private:
  struct AnyRecipe {
    explicit AnyRecipe(std::string name) : type(std::move(name)) {}
    virtual ~AnyRecipe() = default;
    virtual std::unique_ptr<Optimizer<float>> make(const ParameterList<float>&) const = 0;
    virtual std::unique_ptr<Optimizer<double>> make(const ParameterList<double>&) const = 0;
    std::string type;
  };
  template <template <class> class Algorithm, class Options>
  struct Recipe final : AnyRecipe {
    Recipe(std::string name, Options given)
        : AnyRecipe(std::move(name)), options(std::move(given)) {}
    std::unique_ptr<Optimizer<float>> make(const ParameterList<float>& p) const override {
      return std::make_unique<Algorithm<float>>(p, options);
    }
    std::unique_ptr<Optimizer<double>> make(const ParameterList<double>& p) const override {
      return std::make_unique<Algorithm<double>>(p, options);
    }
    Options options;
  };

  explicit OptimizerFactory(std::shared_ptr<const AnyRecipe> recipe) : recipe_(std::move(recipe)) {}

  std::shared_ptr<const AnyRecipe> recipe_;
};

}  // namespace lamina
