#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <lamina/autograd/tensor/error.hpp>
#include <lamina/layers/batch_normalization.hpp>
#include <lamina/layers/conv2d.hpp>
#include <lamina/layers/dense.hpp>
#include <lamina/layers/fold_batch_normalization.hpp>
#include <lamina/nn/checkpointed.hpp>
#include <limits>
#include <map>
#include <optional>
#include <typeinfo>

namespace lamina {
namespace {

constexpr const char* kWho = "fold_batch_normalization";

// Null for a derived type too: it may do something else.
template <class M, Scalar T>
M* exactly(Module<T>& module) {
  return typeid(module) == typeid(M) ? static_cast<M*>(&module) : nullptr;
}
// A block whose activations are recomputed in training is that block all the same.
template <class M, Scalar T>
M* block_of(Module<T>& module) {
  if (auto* recomputed = exactly<Checkpointed<M>>(module)) return recomputed;
  return exactly<M>(module);
}

template <Scalar T>
class Inventory : public Visitor<T> {
 public:
  std::vector<BatchNormalization<T>*> normalizations;
  std::map<const Module<T>*, std::string> paths;

  // A parameter made after the walk is not.
  bool tied(const Parameter<T>& parameter) const {
    const auto found = handles_.find(parameter.data().get());
    return found != handles_.end() && found->second > 1;
  }

 protected:
  void module(const std::string& path, Module<T>& module) override {
    paths[&module] = path;
    if (auto* found = dynamic_cast<BatchNormalization<T>*>(&module)) {
      normalizations.push_back(found);
    }
  }
  void parameter(const std::string&, Parameter<T>& parameter) override {
    ++handles_[parameter.data().get()];
  }

 private:
  std::map<const void*, int> handles_;
};

// The shapes that the modules of a network see.
template <Scalar T>
class InputShapes : public CallObserver<T> {
 public:
  std::map<const Module<T>*, Shape> of;

  void called(const Module<T>& module, const Variable<T>& input, const Variable<T>&) override {
    of[&module] = input.shape();
  }
};

// y = (x - mean) scale + beta, by channel: a normalization in inference.
struct InferenceAffine {
  std::vector<double> mean, scale, beta;

  template <Scalar T>
  explicit InferenceAffine(const BatchNormalization<T>& normalization) {
    const auto& options = normalization.options();
    const auto values = [](const Tensor<T>& tensor) {
      return std::vector<double>(tensor.data(), tensor.data() + tensor.size());
    };
    mean = values(normalization.moving_mean().value());
    scale = values(normalization.moving_variance().value());
    for (double& value : scale) value = inverse_deviation(value, options.epsilon);
    if (options.scale) {
      const T* gamma = normalization.gamma().value().data();
      for (std::size_t c = 0; c < scale.size(); ++c) scale[c] *= static_cast<double>(gamma[c]);
    }
    beta.assign(mean.size(), 0.0);
    if (options.center) beta = values(normalization.beta().value());
  }
};

template <Scalar T>
bool finite(const Tensor<T>& tensor) {
  return std::all_of(tensor.data(), tensor.data() + tensor.size(),
                     [](T value) { return std::isfinite(value); });
}

// A Dense or Conv2D that does what the two did; nothing where that is not finite. The output
// channels are the kernel's last axis in both.
template <class Layer>
std::optional<Layer> joined(const Layer& layer, const InferenceAffine& affine) {
  using T = typename Layer::value_type;
  Tensor<T> kernel = layer.kernel().value();
  const auto channels = static_cast<std::int64_t>(affine.scale.size());
  T* weights = kernel.mutable_data();
  for (std::int64_t i = 0; i < kernel.size(); ++i) {
    const auto c = static_cast<std::size_t>(i % channels);
    weights[i] = static_cast<T>(static_cast<double>(weights[i]) * affine.scale[c]);
  }
  const bool had_bias = layer.options().use_bias;
  Tensor<T> bias = had_bias ? layer.bias().value() : Tensor<T>::zeros({channels});
  T* shifts = bias.mutable_data();
  for (std::size_t c = 0; c < affine.scale.size(); ++c) {
    const double shift = static_cast<double>(shifts[c]) - affine.mean[c];
    shifts[c] = static_cast<T>(shift * affine.scale[c] + affine.beta[c]);
  }
  if (!finite(kernel) || !finite(bias)) return std::nullopt;

  auto options = layer.options();
  options.use_bias = true;
  Layer result(std::move(options));
  result.kernel().assign(kernel);
  result.bias().assign(bias);
  result.kernel().set_trainable(layer.kernel().trainable());
  if (had_bias) result.bias().set_trainable(layer.bias().trainable());
  return result;
}

template <Scalar T>
class Folding {
 public:
  Folding(FoldedNetwork<T>& result, const InputShapes<T>& shapes)
      : result_(result), shapes_(shapes) {
    inventory_.walk(result.net);
    list_places(result.net);
  }

  void run() {
    for (BatchNormalization<T>* normalization : inventory_.normalizations) {
      const std::string& path = inventory_.paths.at(normalization);
      const std::string reason = fold(*normalization);
      if (reason.empty()) {
        result_.folded.push_back(path);
      } else {
        result_.kept.push_back({path, reason});
      }
    }
  }

 private:
  // A module that is no Sequential, in the Sequential that it is a child of.
  struct Place {
    Sequential<T>* parent;
    Module<T>* module;
    std::string path;
  };

  // In the order in which they are applied, also across the borders of inner Sequentials.
  void list_places(Sequential<T>& sequential) {
    for (std::int64_t i = 0; i < sequential.size(); ++i) {
      Module<T>& child = sequential.at(i);
      if (auto* inner = block_of<Sequential<T>>(child)) {
        list_places(*inner);
      } else {
        places_.push_back({&sequential, &child, inventory_.paths.at(&child)});
      }
    }
  }

  static std::int64_t index_of(const Place& place) {
    std::int64_t index = 0;
    while (&place.parent->at(index) != place.module) ++index;
    return index;
  }

  // Why it stays; empty: it is gone.
  std::string fold(BatchNormalization<T>& normalization) {
    const auto place = std::find_if(places_.begin(), places_.end(), [&](const Place& candidate) {
      return candidate.module == &normalization;
    });
    if (place == places_.end()) return "it lies inside a module that is no Sequential";
    if (!block_of<BatchNormalization<T>>(normalization)) {
      return "its type is derived from BatchNormalization";
    }
    if (place == places_.begin()) return "there is no layer before it";
    const auto& options = normalization.options();
    if (options.use_batch_statistics.value_or(false)) return "use_batch_statistics is true";
    if (!options.banks.empty()) return "it has banks";

    Place& before = *(place - 1);
    std::string reason = fmt::format("'{}' before it is no Dense or Conv2D", before.path);
    if (auto* dense = block_of<Dense<T>>(*before.module)) {
      reason = fold_into(*dense, -1, before, normalization);
    } else if (auto* conv = block_of<Conv2D<T>>(*before.module)) {
      const bool last = conv->options().layout == Layout::channels_last;
      reason = fold_into(*conv, last ? 3 : 1, before, normalization);
    }
    if (reason.empty()) {
      place->parent->remove(index_of(*place));
      places_.erase(place);
    }
    return reason;
  }

  // `channel_axis`: of the layer's output.
  template <class Layer>
  std::string fold_into(Layer& layer, std::int64_t channel_axis, Place& place,
                        const BatchNormalization<T>& normalization) {
    const Shape& shape = shapes_.of.at(&normalization);
    const std::vector<int> axes = resolved_axes(kWho, normalization.options().axis, shape);
    if (axes != resolved_axes(kWho, std::vector{channel_axis}, shape)) {
      return fmt::format("its axes are not the output channels of '{}'", place.path);
    }
    if (tied(layer)) return fmt::format("'{}' before it is tied to another layer", place.path);
    auto result = joined(layer, InferenceAffine(normalization));
    if (!result) {
      return fmt::format("kernel or bias of '{}' would not be finite", place.path);
    }
    const std::int64_t index = index_of(place);
    place.parent->replace(index, ModulePointer<T>(std::move(*result)));
    place.module = &place.parent->at(index);
    return {};
  }

  template <class Layer>
  bool tied(const Layer& layer) const {
    return inventory_.tied(layer.kernel()) ||
           (layer.options().use_bias && inventory_.tied(layer.bias()));
  }

  FoldedNetwork<T>& result_;
  const InputShapes<T>& shapes_;
  Inventory<T> inventory_;
  std::vector<Place> places_;
};

template <Scalar T>
double largest_difference(const Tensor<T>& a, const Tensor<T>& b) {
  double largest = 0;
  for (std::int64_t i = 0; i < a.size(); ++i) {
    const auto x = static_cast<double>(a.data()[i]), y = static_cast<double>(b.data()[i]);
    if (x == y || (std::isnan(x) && std::isnan(y))) continue;
    const double difference = std::abs(x - y);
    if (!std::isfinite(difference)) return std::numeric_limits<double>::infinity();
    largest = std::max(largest, difference);
  }
  return largest;
}

}  // namespace

template <Scalar T>
FoldedNetwork<T> fold_batch_normalization(const Module<T>& net, const Tensor<T>& example) {
  if (!block_of<Sequential<T>>(const_cast<Module<T>&>(net))) {  // only asked
    throw ArgumentError(kWho, "the network must be a Sequential; got a '" + net.type() + "'");
  }
  if (!net.built()) {
    throw StateError(kWho, "the network must be built; got one that was never called or loaded");
  }
  if (example.size() == 0) {
    throw ArgumentError(kWho,
                        "the example must hold values; got shape " + example.shape().to_string());
  }
  FoldedNetwork<T> result{.net = static_cast<const Sequential<T>&>(net)};
  result.net.name_tree();
  const Module<T>& copy = result.net;
  InputShapes<T> shapes;
  auto ctx = Context<T>::for_inference();
  ctx.observer = &shapes;
  const Tensor<T> expected = copy(example, ctx).value();
  Folding<T>(result, shapes).run();
  result.net.name_tree();
  ctx.observer = nullptr;
  result.largest_difference = largest_difference(copy(example, ctx).value(), expected);
  return result;
}

template FoldedNetwork<float> fold_batch_normalization(const Module<float>&, const Tensor<float>&);
template FoldedNetwork<double> fold_batch_normalization(const Module<double>&,
                                                        const Tensor<double>&);

}  // namespace lamina
