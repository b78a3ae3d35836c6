// What the tape costs: additions of 8 elements, one after the other, per addition.
#include <cases.hpp>
#include <support/harness.hpp>
#include <support/inputs.hpp>

namespace bench {
namespace {

using lamina::Variable;

struct Chain {
  lamina::Tape<float> tape;
  lamina::Tensor<float> start = tensor(kInput, {8});
  Variable<float> step = tensor(kShift, {8});
  Variable<float> end;
  lamina::Tensor<float> gradient;

  void add_up(Variable<float> y) {
    for (int i = 0; i < kChain; ++i) y = y + step;
    end = std::move(y);
  }
  void record() {
    tape.clear();
    add_up(tape.watch(start));
  }
  void differentiate() {
    tape.clear();
    const Variable<float> x = tape.watch(start);
    add_up(x);
    gradient = tape.gradients(end, {x}, {.seed = start})[0].value();
  }
};

void add_chain(const char* name, void (*function)(Chain&)) {
  add(std::string("tape/add_8/") + name, [function] {
    auto chain = std::make_shared<Chain>();
    return Work{.run = [=] { function(*chain); },
                .check =
                    [=] {
                      std::vector<Check> checks{checksum("y", chain->end.value().values())};
                      if (chain->gradient.defined()) {
                        checks.push_back(checksum("gradient", chain->gradient.values()));
                      }
                      return checks;
                    },
                .units = kChain};
  });
}

}  // namespace

void add_tape() {
  add_chain("no_gradient", [](Chain& chain) { chain.add_up(chain.start); });
  add_chain("recorded", [](Chain& chain) { chain.record(); });
  add_chain("forward_and_backward", [](Chain& chain) { chain.differentiate(); });
}

}  // namespace bench
