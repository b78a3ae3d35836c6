// A network of two levels: two dense layers in a block, and one behind. Its parameters are
// block.in, block.out and head, a kernel and a bias each.
#pragma once

#include <lamina/layers/dense.hpp>
#include <lamina/nn/sequential.hpp>

namespace lamina::test {

using Net = Sequential<double>;

inline Context<double> building(Rng& rng) {
  auto ctx = Context<double>::for_inference();
  ctx.rng = &rng;
  return ctx;
}

struct Block : Module<double> {
  Dense<double> in{{.units = 5}};
  Dense<double> out{{.units = 3}};
  void visit(Visitor<double>& v) override {
    v("in", in);
    v("out", out);
  }
  Variable<double> forward(const Variable<double>& x, const Context<double>& ctx) const override {
    return out(in(x, ctx), ctx);
  }
  std::string name() const override { return "block"; }
};

inline Net network() {
  Net net;
  net.add(Block()).add<Dense>({.units = 2, .name = "head"});
  return net;
}

}  // namespace lamina::test
