#include <algorithm>
#include <cmath>
#include <lamina/autograd/tensor/error.hpp>
#include <lamina/autograd/tensor/parallel.hpp>
#include <lamina/nn/glob.hpp>
#include <lamina/optim/clipping.hpp>
#include <lamina/optim/detail/check.hpp>
#include <lamina/optim/detail/distinct.hpp>
#include <lamina/optim/multi_tensor_optimizer.hpp>
#include <limits>

namespace lamina {

using detail::text;

namespace {

constexpr std::int64_t kTile = 16384;
// Below this many elements waking a second thread costs more than it gives.
constexpr std::int64_t kSerial = 4 * kTile;

bool matches_any(const std::vector<std::string>& patterns, const std::string& path) {
  return std::any_of(patterns.begin(), patterns.end(),
                     [&](const std::string& pattern) { return matches_glob(pattern, path); });
}

template <Scalar T>
void require_shape(const std::string& who, std::string_view what, const std::string& path,
                   const Tensor<T>& tensor, const Shape& expected) {
  if (!tensor.defined() || tensor.shape() == expected) return;
  std::string message("the ");
  message.append(what).append(" of '").append(path);
  message.append("' must have the shape of its parameter; got ").append(tensor.shape().to_string());
  message.append(", expected ").append(expected.to_string());
  throw ShapeError(who, message);
}

}  // namespace

void check_update_options(const std::string& who, const UpdateOptions& o) {
  if (o.learning_rate.is_constant()) {
    detail::at_least(who, "learning_rate", o.learning_rate(0), 0);
  }
  detail::at_least(who, "weight_decay", o.weight_decay, 0);
  const std::pair<const char*, std::optional<double>> limits[] = {
      {"clipvalue", o.clipvalue}, {"clipnorm", o.clipnorm}, {"global_clipnorm", o.global_clipnorm}};
  std::string given;
  for (const auto& [field, limit] : limits) {
    if (!limit) continue;
    detail::positive(who, field, *limit);
    detail::require(given.empty(), who,
                    "at most one of clipvalue, clipnorm, global_clipnorm may be given; got " +
                        given + " and " + field);
    given = field;
  }
  detail::require(o.gradient_accumulation_steps >= 1, who,
                  "gradient_accumulation_steps must be at least 1; got " +
                      std::to_string(o.gradient_accumulation_steps));
  for (const ParameterGroup& group : o.groups) {
    const std::string prefix = "groups['" + group.pattern + "'].";
    detail::at_least(who, prefix + "learning_rate_factor", group.learning_rate_factor, 0);
    detail::at_least(who, prefix + "weight_decay", group.weight_decay.value_or(0), 0);
  }
}

template <Scalar T>
MultiTensorOptimizer<T>::MultiTensorOptimizer(std::string name, const ParameterList<T>& parameters,
                                              UpdateOptions options,
                                              std::vector<std::string> slot_names)
    : name_(std::move(name)), options_(std::move(options)), slot_names_(std::move(slot_names)) {
  check_update_options(name_, options_);
  detail::require(!parameters.empty(), name_, "there must be at least one parameter; got none");
  for (const auto& parameter : detail::distinct(name_, parameters)) {
    entries_.emplace_back().parameter = parameter;
  }
}

template <Scalar T>
void MultiTensorOptimizer<T>::step() {
  const double rate = learning_rate();
  detail::at_least(name_, "learning_rate", rate, 0);
  for (Entry& entry : entries_) {
    if (!entry.resolved && entry.parameter->value.defined()) resolve(entry);
    entry.active = updatable(entry) && entry.parameter->gradient.defined();
    if (entry.active || entry.accumulated > 0) require_shapes(entry);
  }
  require_some_gradient();
  begin_update();
  if (accumulates()) {
    accumulate();
    if (++calls_ < options_.gradient_accumulation_steps) return;
    for (Entry& entry : entries_) {
      entry.active = updatable(entry) && entry.accumulated > 0;
      if (!entry.active) forget_sum(entry);
    }
    calls_ = 0;
  }
  for (Entry& entry : entries_) {
    if (entry.active) prepare_tile(entry, rate);
  }
  cut_active();
  clip_by_norm();
  for_each_stretch([&](const Stretch& stretch, std::size_t) {
    const Entry& entry = entries_[stretch.entry];
    UpdateTile<T> tile = entry.tile;
    tile.parameter += stretch.first;
    tile.gradient += stretch.first;
    for (std::size_t s = 0; s < slot_names_.size(); ++s) tile.slots[s] += stretch.first;
    tile.count = stretch.count;
    update(tile);
    if (entry.sum) std::fill_n(entry.sum + stretch.first, stretch.count, T{0});
  });
  for (Entry& entry : entries_) {
    if (entry.active) finish(entry);
  }
  ++iterations_;
}

template <Scalar T>
void MultiTensorOptimizer<T>::resolve(Entry& entry) const {
  const std::string& path = entry.parameter->path;
  const bool excluded = matches_any(options_.exclude_from_weight_decay, path);
  entry.weight_decay = excluded ? 0 : options_.weight_decay;
  for (const ParameterGroup& group : options_.groups) {
    if (!matches_glob(group.pattern, path)) continue;
    entry.rate_factor = group.learning_rate_factor;
    entry.weight_decay = group.weight_decay.value_or(entry.weight_decay);
    entry.trainable = group.trainable;
    break;
  }
  // One that does not fit the parameter refuses it now, and not after the update.
  if (entry.parameter->constraint) entry.parameter->constraint(entry.parameter->value);
  entry.resolved = true;
}

template <Scalar T>
void MultiTensorOptimizer<T>::require_shapes(const Entry& entry) const {
  const ParameterData<T>& parameter = *entry.parameter;
  const Shape& shape = parameter.value.shape();
  require_shape(name_, "gradient", parameter.path, parameter.gradient, shape);
  require_shape(name_, "accumulated gradient", parameter.path, entry.accumulator, shape);
  for (std::size_t s = 0; s < slot_names_.size(); ++s) {
    require_shape(name_, slot_names_[s], parameter.path, entry.slots[s], shape);
  }
}

// A forgotten backward would otherwise pass silently; a network that is frozen as a whole is no
// mistake.
template <Scalar T>
void MultiTensorOptimizer<T>::require_some_gradient() const {
  bool some_updatable = false;
  for (const Entry& entry : entries_) {
    if (entry.active) return;
    some_updatable = some_updatable || (entry.parameter->trainable && entry.trainable);
  }
  if (!some_updatable) return;
  throw StateError(name_,
                   "step needs the gradient of at least one trainable parameter; got none, "
                   "backward comes first");
}

template <Scalar T>
void MultiTensorOptimizer<T>::make_slots(Entry& entry) const {
  const Shape& shape = entry.parameter->value.shape();
  for (std::size_t s = 0; s < slot_names_.size(); ++s) {
    if (!entry.slots[s].defined()) entry.slots[s] = Tensor<T>::zeros(shape);
  }
  if (accumulates() && !entry.accumulator.defined()) entry.accumulator = Tensor<T>::zeros(shape);
}

template <Scalar T>
void MultiTensorOptimizer<T>::accumulate() {
  for (Entry& entry : entries_) {
    if (!entry.active) continue;
    make_slots(entry);
    entry.tile.gradient = entry.parameter->gradient.data();
    entry.sum = entry.accumulator.mutable_data();
    ++entry.accumulated;
  }
  cut_active();
  for_each_stretch([&](const Stretch& stretch, std::size_t) {
    const Entry& entry = entries_[stretch.entry];
    const T* gradient = entry.tile.gradient + stretch.first;
    T* sum = entry.sum + stretch.first;
    for (std::int64_t i = 0; i < stretch.count; ++i) sum[i] += gradient[i];
  });
}

// A parameter that was frozen after some of the calls starts anew when it is thawed.
template <Scalar T>
void MultiTensorOptimizer<T>::forget_sum(Entry& entry) {
  if (entry.accumulated == 0) return;
  for (T& sum : entry.accumulator.mutable_values()) sum = T{0};
  entry.accumulated = 0;
}

template <Scalar T>
void MultiTensorOptimizer<T>::prepare_tile(Entry& entry, double rate) {
  make_slots(entry);
  UpdateTile<T>& tile = entry.tile;
  // The gradient's storage first: where another handle shares it, the writable ones detach from it.
  tile.gradient = entry.parameter->gradient.data();
  if (accumulates()) tile.gradient = entry.sum = entry.accumulator.mutable_data();
  for (std::size_t s = 0; s < slot_names_.size(); ++s) {
    tile.slots[s] = entry.slots[s].mutable_data();
  }
  tile.parameter = entry.parameter->value.mutable_data();
  tile.learning_rate = rate * entry.rate_factor;
  tile.step = (options_.formula == OptimizerFormula::keras ? iterations_ : entry.updates) + 1;
  const bool decoupled = options_.decoupled_weight_decay;
  tile.terms = {
      .scale = static_cast<T>(1.0 / static_cast<double>(options_.gradient_accumulation_steps)),
      .limit = static_cast<T>(options_.clipvalue.value_or(std::numeric_limits<double>::infinity())),
      .coupled = static_cast<T>(decoupled ? 0 : entry.weight_decay),
      .decay = static_cast<T>(decoupled ? entry.weight_decay * tile.learning_rate : 0)};
}

template <Scalar T>
void MultiTensorOptimizer<T>::cut_active() {
  stretches_.clear();
  for (std::size_t e = 0; e < entries_.size(); ++e) {
    if (!entries_[e].active) continue;
    const std::int64_t size = entries_[e].parameter->value.size();
    for (std::int64_t first = 0; first < size; first += kTile) {
      stretches_.push_back({e, first, std::min(kTile, size - first)});
    }
  }
}

template <Scalar T>
template <class Function>
void MultiTensorOptimizer<T>::for_each_stretch(Function&& function) const {
  std::int64_t elements = 0;
  for (const Stretch& stretch : stretches_) elements += stretch.count;
  const auto run = [&](std::int64_t i) {
    const auto index = static_cast<std::size_t>(i);
    function(stretches_[index], index);
  };
  const auto count = static_cast<std::int64_t>(stretches_.size());
  if (elements > kSerial) return parallel_for(count, run);
  for (std::int64_t i = 0; i < count; ++i) run(i);
}

template <Scalar T>
void MultiTensorOptimizer<T>::clip_by_norm() {
  if (!options_.clipnorm && !options_.global_clipnorm) return;
  partial_sums_.resize(stretches_.size());
  for_each_stretch([&](const Stretch& stretch, std::size_t index) {
    const T* gradient = entries_[stretch.entry].tile.gradient + stretch.first;
    partial_sums_[index] = detail::sum_of_powers(gradient, stretch.count, 2);
  });
  const double mean = 1.0 / static_cast<double>(options_.gradient_accumulation_steps);
  const double limit = options_.clipnorm ? *options_.clipnorm : *options_.global_clipnorm;
  double squares = 0;
  const auto close = [&](std::size_t first, std::size_t last) {
    const double factor = detail::clip_factor(std::sqrt(squares) * mean, limit, options_.formula);
    for (std::size_t e = first; e < last; ++e) {
      entries_[e].tile.terms.scale = static_cast<T>(mean * factor);
    }
    squares = 0;
  };
  for (std::size_t i = 0; i < stretches_.size(); ++i) {
    squares += partial_sums_[i];
    const std::size_t entry = stretches_[i].entry;
    const bool entry_ends = i + 1 == stretches_.size() || stretches_[i + 1].entry != entry;
    if (options_.clipnorm && entry_ends) close(entry, entry + 1);
  }
  if (options_.global_clipnorm) close(0, entries_.size());
}

template <Scalar T>
void MultiTensorOptimizer<T>::finish(Entry& entry) {
  ++entry.updates;
  entry.accumulated = 0;
  ParameterData<T>& parameter = *entry.parameter;
  if (parameter.constraint) parameter.assign(parameter.constraint(parameter.value));
}

template <Scalar T>
void MultiTensorOptimizer<T>::zero_gradients() {
  for (Entry& entry : entries_) entry.parameter->gradient = Tensor<T>();
}

template <Scalar T>
void MultiTensorOptimizer<T>::set_learning_rate(double rate) {
  detail::at_least(name_, "learning_rate", rate, 0);
  options_.learning_rate = Schedule(rate);
}

template <Scalar T>
void MultiTensorOptimizer<T>::visit_learning_rate(StateVisitor<T>& visitor) {
  Schedule& schedule = options_.learning_rate;
  const std::string current = schedule.to_string();
  std::string given = current;
  visitor("learning_rate", given);
  if (given == current) return;
  if (schedule.name() == "custom" || given == "custom()") {
    throw StateError(name_, "a learning rate that is a function cannot be stored; got " + given +
                                ", expected " + current);
  }
  schedule = Schedule::parse(given);
}

template <Scalar T>
void MultiTensorOptimizer<T>::visit(StateVisitor<T>& visitor) {
  visit_learning_rate(visitor);
  visitor("iterations", iterations_);
  detail::at_least(name_, "iterations", static_cast<double>(iterations_), 0);
  if (accumulates()) {
    visitor("accumulated_calls", calls_);
    detail::require(calls_ >= 0 && calls_ < options_.gradient_accumulation_steps, name_,
                    "accumulated_calls must lie below gradient_accumulation_steps; got " +
                        std::to_string(calls_));
  }
  std::unordered_set<std::string> paths;
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    const ParameterData<T>& parameter = *entries_[i].parameter;
    if (!parameter.value.defined()) continue;
    const std::string path =
        parameter.path.empty() ? "parameter_" + std::to_string(i) : parameter.path;
    if (!paths.insert(path).second) {
      throw StateError(name_, "parameters must have different paths to have named slots; got '" +
                                  path + "' twice");
    }
    visit_entry(entries_[i], path + ".", visitor);
  }
}

template <Scalar T>
void MultiTensorOptimizer<T>::visit_entry(Entry& entry, const std::string& prefix,
                                          StateVisitor<T>& visitor) {
  make_slots(entry);
  for (std::size_t s = 0; s < slot_names_.size(); ++s) {
    visitor(prefix + slot_names_[s], entry.slots[s]);
  }
  if (options_.formula == OptimizerFormula::pytorch) {
    visitor(prefix + "updates", entry.updates);
    detail::at_least(name_, prefix + "updates", static_cast<double>(entry.updates), 0);
  }
  if (accumulates()) {
    visitor(prefix + "gradient_accumulator", entry.accumulator);
    visitor(prefix + "accumulated", entry.accumulated);
    detail::require(entry.accumulated >= 0 && entry.accumulated <= calls_, name_,
                    prefix + "accumulated must lie in [0, accumulated_calls]; got " +
                        std::to_string(entry.accumulated));
  }
}

template class MultiTensorOptimizer<float>;
template class MultiTensorOptimizer<double>;

}  // namespace lamina
