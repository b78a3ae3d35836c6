#include <fmt/format.h>

#include <lamina/autograd/tensor/error.hpp>
#include <lamina/training/detail/interrupt.hpp>
#include <lamina/training/detail/session.hpp>
#include <limits>
#include <set>

namespace lamina::detail {

namespace {

void check_options(const FitOptions& o) {
  const std::pair<const char*, std::int64_t> least_one[] = {
      {"batch_size", o.batch_size}, {"validation_batch_size", o.validation_batch_size}};
  for (const auto& [field, value] : least_one) {
    if (value >= 1) continue;
    throw ArgumentError("trainer", fmt::format("{} must be at least 1; got {}", field, value));
  }
  const std::pair<const char*, std::int64_t> least_zero[] = {{"epochs", o.epochs},
                                                             {"prefetch", o.prefetch}};
  for (const auto& [field, value] : least_zero) {
    if (value >= 0) continue;
    throw ArgumentError("trainer", fmt::format("{} must be at least 0; got {}", field, value));
  }
  for (const CallbackPointer& callback : o.callbacks) {
    if (!callback) throw ArgumentError("trainer", "callbacks must not be null; got a null pointer");
  }
}

const FitOptions& checked(const FitOptions& options) {
  check_options(options);
  return options;
}

std::vector<std::string> names_of(const MetricList& metrics, bool validation) {
  std::vector<std::string> names{"loss"};
  for (const auto& metric : metrics) names.push_back(metric->name());
  const std::size_t own = names.size();
  for (std::size_t i = 0; validation && i < own; ++i) names.push_back("val_" + names[i]);
  names.push_back("learning_rate");
  return names;
}

// Passes a callback's fields on under its own prefix.
template <Scalar T>
class PrefixedVisitor final : public ScalarVisitor {
 public:
  PrefixedVisitor(StateVisitor<T>& visitor, std::string prefix)
      : visitor_(visitor), prefix_(std::move(prefix)) {}
  void operator()(std::string_view name, std::int64_t& value) override { pass(name, value); }
  void operator()(std::string_view name, double& value) override { pass(name, value); }
  void operator()(std::string_view name, std::string& value) override { pass(name, value); }
  void operator()(std::string_view name, std::vector<double>& value) override { pass(name, value); }

 private:
  template <class V>
  void pass(std::string_view name, V& value) {
    visitor_(prefix_ + std::string(name), value);
  }
  StateVisitor<T>& visitor_;
  std::string prefix_;
};

// A number that must be the same in the run that goes on.
template <Scalar T>
void visit_fixed(StateVisitor<T>& visitor, const std::string& name, std::int64_t value) {
  std::int64_t given = value;
  visitor(name, given);
  if (given == value) return;
  throw StateError("trainer",
                   fmt::format("a run must be resumed with its own {}; got {}, expected {}", name,
                               value, given));
}

}  // namespace

template <Scalar T>
TrainingSession<T>::TrainingSession(Trainer<T>& trainer, const TrainerOptions<T>& options,
                                    const Dataset& data, const FitOptions& fit,
                                    std::int64_t random_step)
    : trainer_(trainer),
      fit_(checked(fit)),
      loader_(data, {.batch_size = fit.batch_size,
                     .shuffle = fit.shuffle,
                     .seed = fit.seed,
                     .drop_last = fit.drop_last,
                     .prefetch = fit.prefetch}),
      rng_(fit.seed),
      train_step_(trainer.net(), options.loss.value, trainer.optimizer(), options.warnings.get()) {
  rng_.set_step(random_step);
  for (const auto& metric : options.metrics) {
    metrics_.push_back(metric->copy());
    metrics_.back()->reset();
    sum_counts_.push_back(metrics_.back()->sums().size());
  }
  epochs = fit.epochs;
  steps_per_epoch = loader_.batches();
  history = History(names_of(options.metrics, fit.validation.has_value()));
}

template <Scalar T>
void TrainingSession<T>::visit(StateVisitor<T>& visitor) {
  visit_fixed(visitor, "examples_in_data", loader_.dataset().size());
  visit_fixed(visitor, "batch_size", fit_.batch_size);
  visit_fixed(visitor, "seed", static_cast<std::int64_t>(fit_.seed));
  visit_fixed(visitor, "shuffle", fit_.shuffle ? 1 : 0);
  visit_fixed(visitor, "drop_last", fit_.drop_last ? 1 : 0);
  std::int64_t random_step = rng_.step();
  visitor("random_step", random_step);
  rng_.set_step(random_step);
  visitor("epoch", epoch);
  visitor("step", step);
  visitor("examples", examples);
  visitor("loss_sum", loss_sum_);
  visitor("rate", rate_);
  visitor("stop_reason", history.stop_reason);
  for (const auto& metric : metrics_) visitor("metrics." + metric->name(), metric->sums());
  for (const std::string& name : history.names()) visitor("history." + name, history.at(name));
  require_sound();
  std::set<std::string> taken;
  for (const CallbackPointer& callback : fit_.callbacks) {
    std::string name = callback->name();
    for (int number = 1; !taken.insert(name).second; ++number) {
      name = fmt::format("{}_{}", callback->name(), number);
    }
    PrefixedVisitor<T> prefixed(visitor, "callbacks." + name + ".");
    callback->visit(prefixed);
  }
}

// What a file says is used as numbers of elements and positions.
template <Scalar T>
void TrainingSession<T>::require_sound() const {
  const auto require = [](bool holds, const std::string& message) {
    if (!holds) throw StateError("trainer", message);
  };
  require(epoch >= 0, fmt::format("epoch must be at least 0; got {}", epoch));
  require(step >= 0 && step <= steps_per_epoch,
          fmt::format("step must lie in [0, {}]; got {}", steps_per_epoch, step));
  require(examples >= 0, fmt::format("examples must be at least 0; got {}", examples));
  for (std::size_t i = 0; i < metrics_.size(); ++i) {
    const std::size_t size = metrics_[i]->sums().size();
    require(size == sum_counts_[i], fmt::format("metrics.{} must have {} numbers; got {}",
                                                metrics_[i]->name(), sum_counts_[i], size));
  }
  for (const std::string& name : history.names()) {
    const auto size = static_cast<std::int64_t>(history.at(name).size());
    require(size == epoch, fmt::format("history.{} must have a value for each of the {} epochs; "
                                       "got {}",
                                       name, epoch, size));
  }
}

template <Scalar T>
History TrainingSession<T>::run() {
  // As many as this run has made; earlier ones of the same trainer had their own orders.
  first_random_step_ = rng_.step() - (epoch * steps_per_epoch + step);
  const Interrupt interrupt(fit_.handle_interrupt);
  interrupt_ = &interrupt;
  tell(&Callback::training_began);
  while (epoch < epochs && !ended()) run_epoch();
  tell_and_save(&Callback::training_ended);
  saver_.wait();
  interrupt_ = nullptr;
  history.interrupted = interrupted;
  return std::move(history);
}

template <Scalar T>
void TrainingSession<T>::run_epoch() {
  loader_.set_epoch(first_random_step_ + epoch);
  loader_.skip(step);
  tell(&Callback::epoch_began);
  for (const Batch<T>& batch : loader_) {
    train_on(batch);
    tell(&Callback::step_ended);
    interrupted = interrupt_->received();
    tell_and_save(&Callback::save_point);
    if (ended()) return;
  }
  end_epoch();
}

template <Scalar T>
void TrainingSession<T>::train_on(const Batch<T>& batch) {
  const double rate = learning_rate();
  const double loss = train_step_(
      batch, rng_, [this] { return where(); },
      [&](const Tensor<T>& prediction) {
        for (const auto& metric : metrics_) metric->update(prediction, batch.labels);
      });
  const std::int64_t count = batch.labels.size();
  rate_ = rate;
  loss_sum_ += loss * static_cast<double>(count);
  examples += count;
  ++step;
}

template <Scalar T>
void TrainingSession<T>::end_epoch() {
  if (fit_.validation) {
    validation_ = trainer_.evaluate(*fit_.validation, {.batch_size = fit_.validation_batch_size});
  }
  tell(&Callback::epoch_ended);
  for (const std::string& name : history.names()) history.at(name).push_back(value(name));
  ++epoch;
  step = examples = 0;
  loss_sum_ = 0;
  for (const auto& metric : metrics_) metric->reset();
  interrupted = interrupt_->received();
  tell_and_save(&Callback::save_point);
}

template <Scalar T>
void TrainingSession<T>::tell_and_save(void (Callback::*event)(TrainingRun&)) {
  saving_ = true;
  tell(event);
  saving_ = false;
}

template <Scalar T>
std::string TrainingSession<T>::save(const std::string& folder, int keep,
                                     const std::string& prefix) {
  require_save_point("save");
  saver_.wait();  // the files of a series in the order of the steps
  return save_generation(folder, CheckpointParts<T>{trainer_.net(), &trainer_.optimizer(), this},
                         {.keep = keep, .prefix = prefix});
}

template <Scalar T>
void TrainingSession<T>::save_in_background(const std::string& folder, int keep,
                                            const std::string& prefix) {
  require_save_point("save_in_background");
  saver_.save_generation(folder, CheckpointParts<T>{trainer_.net(), &trainer_.optimizer(), this},
                         {.keep = keep, .prefix = prefix});
}

template <Scalar T>
void TrainingSession<T>::require_save_point(const char* what) const {
  if (saving_) return;
  throw StateError(
      "trainer",
      std::string(what) + " must be called in save_point or training_ended; got another event");
}

template <Scalar T>
const Metric* TrainingSession<T>::metric_named(const std::string& name) const {
  for (const auto& metric : metrics_) {
    if (metric->name() == name) return metric.get();
  }
  return nullptr;
}

template <Scalar T>
double TrainingSession<T>::value(const std::string& name) const {
  if (name == "learning_rate") return rate_;
  if (name == "loss") {
    return examples > 0 ? loss_sum_ / static_cast<double>(examples)
                        : std::numeric_limits<double>::quiet_NaN();
  }
  if (const Metric* metric = metric_named(name)) return metric->value();
  if (fit_.validation && name.starts_with("val_")) return validation_.at(name.substr(4));
  history.at(name);  // throws: not a name of this run
  return 0;
}

template <Scalar T>
bool TrainingSession<T>::larger_is_better(const std::string& name) const {
  const Metric* metric = metric_named(name.starts_with("val_") ? name.substr(4) : name);
  return metric && metric->larger_is_better();
}

template <Scalar T>
std::string TrainingSession<T>::where() const {
  return fmt::format("step {} (epoch {}, batch {})", epoch * steps_per_epoch + step + 1, epoch + 1,
                     step + 1);
}

template <Scalar T>
void TrainingSession<T>::tell(void (Callback::*event)(TrainingRun&)) {
  for (const CallbackPointer& callback : fit_.callbacks) ((*callback).*event)(*this);
}

template class TrainingSession<float>;
template class TrainingSession<double>;

}  // namespace lamina::detail
