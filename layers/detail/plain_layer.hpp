// PlainLayer: what the layers without parameters share: options, name, and nothing to visit.
#pragma once

#include <lamina/nn/module.hpp>
#include <string>
#include <utility>

namespace lamina {

template <Scalar T, class LayerOptions>
class PlainLayer : public Module<T> {
 public:
  using Options = LayerOptions;

  explicit PlainLayer(Options options) : options_(std::move(options)) {}

  void visit(Visitor<T>&) override {}
  std::string name() const override { return options_.name; }
  void visit_options(OptionVisitor& visitor) override { options_.visit(visitor); }
  const Options& options() const noexcept { return options_; }

 protected:
  Options options_;
};

}  // namespace lamina
