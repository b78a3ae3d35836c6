#include <support/inputs.hpp>
#include <support/layer_run.hpp>

namespace bench {

LayerRun::LayerRun(std::shared_ptr<lamina::Module<float>> layer, lamina::Tensor<float> input,
                   lamina::Layout layout, Call call)
    : layer_(std::move(layer)), call_(std::move(call)), layout_(layout), input_(std::move(input)) {
  begin();
  forward();
  assign_kernels(*layer_);
  parameters_ = layer_->parameters();
  const auto& s = y_.shape();
  seed_ = s.rank() != 4 ? tensor(kOutputGradient, s)
          : layout == lamina::Layout::channels_last
              ? image(kOutputGradient, {s[0], s[3], s[1], s[2]}, layout)
              : image(kOutputGradient, {s[0], s[1], s[2], s[3]}, layout);
}

void LayerRun::begin() {
  gradients_.clear();
  sources_.clear();
  y_ = {};
  tape_.clear();
  x_ = tape_.watch(input_);
  context_ = lamina::Context<float>::for_training(tape_, random_);
}

void LayerRun::forward() { y_ = call_ ? call_(x_, context_) : (*layer_)(x_, context_); }

void LayerRun::backward(Wanted wanted) {
  if (wanted.input) sources_.push_back(x_);
  if (wanted.parameters) {
    for (const auto& parameter : parameters_) sources_.push_back(tape_.watch(parameter));
  }
  gradients_ = tape_.gradients(y_, sources_, {.seed = seed_});
}

Work LayerRun::forward_work(std::shared_ptr<LayerRun> run) {
  return {.run = [run] { run->forward(); },
          .prepare = [run] { run->begin(); },
          .check = [run] { return std::vector{checksum("y", run->y_.value(), run->layout_)}; }};
}

Work LayerRun::backward_work(std::shared_ptr<LayerRun> run, Wanted wanted) {
  return {.run = [run, wanted] { run->backward(wanted); },
          .prepare =
              [run] {
                run->begin();
                run->forward();
              },
          .check =
              [run] {
                std::vector<Check> checks;
                for (std::size_t i = 0; i < run->gradients_.size(); ++i) {
                  checks.push_back(checksum("gradient " + std::to_string(i),
                                            run->gradients_[i].value(), run->layout_));
                }
                return checks;
              }};
}

Work LayerRun::step_work(std::shared_ptr<LayerRun> run, Wanted wanted) {
  Work work = backward_work(run, wanted);
  work.prepare = [run] { run->begin(); };
  work.run = [run, wanted] {
    run->forward();
    run->backward(wanted);
  };
  return work;
}

}  // namespace bench
