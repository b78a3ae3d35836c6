#include <fmt/format.h>

#include <algorithm>
#include <lamina/autograd/tensor/error.hpp>
#include <lamina/data/data_loader.hpp>
#include <lamina/training/detail/session.hpp>
#include <lamina/training/trainer.hpp>
#include <set>

namespace lamina {

namespace {

template <Scalar T>
void check(const TrainerOptions<T>& options) {
  if (!options.loss.value) throw ArgumentError("trainer", "there must be a loss; got none");
  std::set<std::string> names{"loss", "learning_rate"};
  for (const auto& metric : options.metrics) {
    if (!metric) throw ArgumentError("trainer", "metrics must not be null; got a null pointer");
    const std::string name = metric->name();
    if (!names.insert(name).second) {
      throw ArgumentError("trainer", "metrics must have different names; got '" + name + "' twice");
    }
    if (name.starts_with("val_")) {
      throw ArgumentError("trainer",
                          "names that begin with 'val_' are those of the validation; "
                          "got a metric '" +
                              name + "'");
    }
  }
}

// The batches of a data set in order, each with what the network makes of it.
template <Scalar T, class Function>
void for_each_prediction(const Module<T>& net, const Dataset& data, std::int64_t batch_size,
                         Warnings* warn, Function&& function) {
  if (batch_size < 1) {
    throw ArgumentError("trainer",
                        fmt::format("batch_size must be at least 1; got {}", batch_size));
  }
  DataLoader<T> loader(data, {.batch_size = batch_size});
  auto ctx = Context<T>::for_inference();
  ctx.warn = warn;
  for (const Batch<T>& batch : loader) {
    function(net(Variable<T>(batch.features), ctx), batch.labels);
  }
}

}  // namespace

double Scores::at(const std::string& name) const {
  const auto found = std::find_if(values_.begin(), values_.end(),
                                  [&](const auto& value) { return value.first == name; });
  if (found != values_.end()) return found->second;
  std::vector<std::string> known;
  for (const auto& value : values_) known.push_back(value.first);
  throw ArgumentError(
      "scores", fmt::format("the name must be one that was measured; got '{}', expected {}", name,
                            fmt::join(known, ", ")));
}

template <Scalar T>
Trainer<T>::Trainer(Module<T>& net, TrainerOptions<T> options)
    : net_(net), options_(std::move(options)) {
  check(options_);
  optimizer_ = options_.optimizer.make(net_.parameters());
}

template <Scalar T>
History Trainer<T>::fit(const Dataset& data, const FitOptions& options) {
  detail::TrainingSession<T> session(*this, options_, data, options, random_steps_);
  if (!resume_path_.empty()) {
    load_checkpoint(resume_path_, CheckpointParts<T>{net_, optimizer_.get(), &session});
    session.resumed = true;
    resume_path_.clear();
  }
  // Also of a run that throws: the weights have moved on.
  struct Advance {
    std::int64_t& steps;
    detail::TrainingSession<T>& session;
    ~Advance() { steps = session.random_step(); }
  } const advance{random_steps_, session};
  return session.run();
}

template <Scalar T>
Scores Trainer<T>::evaluate(const Dataset& data, const EvaluateOptions& options) {
  std::vector<std::unique_ptr<Metric>> metrics;
  for (const auto& metric : options_.metrics) {
    metrics.push_back(metric->copy());
    metrics.back()->reset();
  }
  double loss = 0;
  const auto add = [&](const Variable<T>& prediction, const Tensor<std::int64_t>& labels) {
    loss += static_cast<double>(options_.loss.value(prediction, labels).item()) *
            static_cast<double>(labels.size());
    for (const auto& metric : metrics) metric->update(prediction.value(), labels);
  };
  for_each_prediction<T>(net_, data, options.batch_size, options_.warnings.get(), add);
  const Variable<T> penalty =
      detail::penalties(detail::regularized_parameters(net_), Context<T>::for_inference());
  Scores scores;
  scores.add("loss", loss / static_cast<double>(data.size()) + static_cast<double>(penalty.item()));
  for (const auto& metric : metrics) scores.add(metric->name(), metric->value());
  return scores;
}

template <Scalar T>
Tensor<T> Trainer<T>::predict(const Dataset& data, const EvaluateOptions& options) {
  Tensor<T> all;
  std::int64_t done = 0;
  const auto add = [&](const Variable<T>& prediction, const Tensor<std::int64_t>& labels) {
    const Shape& shape = prediction.shape();
    const std::int64_t count = labels.size();
    if (shape.rank() < 1 || shape[0] != count) {
      throw ShapeError("trainer",
                       fmt::format("predictions must have one row per example; got {} for "
                                   "{} examples",
                                   shape.to_string(), count));
    }
    const Shape whole = shape.with(0, data.size());
    if (!all.defined()) all = Tensor<T>::uninitialized(whole);
    if (!(all.shape() == whole)) {
      throw ShapeError("trainer",
                       fmt::format("every batch must give predictions of the same shape; got {}, "
                                   "expected {}",
                                   shape.to_string(), all.shape().with(0, count).to_string()));
    }
    const std::int64_t row = prediction.size() / count;
    std::copy_n(prediction.value().data(), prediction.size(), all.mutable_data() + done * row);
    done += count;
  };
  for_each_prediction<T>(net_, data, options.batch_size, options_.warnings.get(), add);
  return all;
}

template <Scalar T>
LoadedGeneration Trainer<T>::resume(const std::string& folder) {
  LoadedGeneration loaded = load_latest(folder, CheckpointParts<T>{net_, optimizer_.get()});
  resume_path_ = loaded.path;
  return loaded;
}

template class Trainer<float>;
template class Trainer<double>;

}  // namespace lamina
