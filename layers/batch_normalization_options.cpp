#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <lamina/autograd/tensor/error.hpp>
#include <lamina/layers/batch_normalization_options.hpp>
#include <lamina/nn/detail/argument.hpp>
#include <set>

namespace lamina {
namespace {

constexpr const char* kWho = "batch_normalization";

void require(bool holds, const std::string& message) {
  if (!holds) throw ArgumentError(kWho, message);
}

// The names become parts of paths and of one list in a file.
void check_banks(const std::vector<std::string>& banks) {
  std::set<std::string> met;
  for (const std::string& bank : banks) {
    const bool plain = !bank.empty() && std::all_of(bank.begin(), bank.end(), [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
    });
    require(plain, fmt::format("a bank's name must be letters, digits and '_'; got '{}'", bank));
    require(met.insert(bank).second, fmt::format("banks must differ; got '{}' twice", bank));
  }
}

void visit_banks(OptionVisitor& visitor, std::vector<std::string>& banks) {
  std::string list = fmt::format("{}", fmt::join(banks, ","));
  visitor("banks", list);
  banks.clear();
  for (std::size_t begin = 0; begin < list.size();) {
    const std::size_t end = std::min(list.find(',', begin), list.size());
    banks.push_back(list.substr(begin, end - begin));
    begin = end + 1;
  }
}

}  // namespace

BatchNormalizationOptions BatchNormalizationOptions::from_pytorch(
    const PyTorchBatchNorm& arguments) {
  BatchNormalizationOptions options{.axis = {1},
                                    .momentum = cumulative,
                                    .epsilon = arguments.eps,
                                    .center = arguments.affine,
                                    .scale = arguments.affine,
                                    .variance_estimator = VarianceEstimator::unbiased};
  if (arguments.momentum) {
    require(*arguments.momentum >= 0 && *arguments.momentum <= 1,
            "PyTorch's momentum must lie in [0, 1]; got " + number_text(*arguments.momentum));
    options.momentum = 1 - *arguments.momentum;
  }
  if (!arguments.track_running_stats) {
    options.update_statistics = false;
    options.use_batch_statistics = true;
  }
  return options;
}

void BatchNormalizationOptions::visit(OptionVisitor& visitor) {
  visitor("axis", axis);
  momentum.visit(visitor, "momentum");
  visitor("epsilon", epsilon);
  visitor("center", center);
  visitor("scale", scale);
  visitor("beta_initializer", beta_initializer);
  visitor("gamma_initializer", gamma_initializer);
  visitor("moving_mean_initializer", moving_mean_initializer);
  visitor("moving_variance_initializer", moving_variance_initializer);
  visitor("beta_regularizer", beta_regularizer);
  visitor("gamma_regularizer", gamma_regularizer);
  visitor("beta_constraint", beta_constraint);
  visitor("gamma_constraint", gamma_constraint);
  visitor("trainable", trainable);
  visitor("renorm", renorm);
  renorm_clipping.visit(visitor);
  visitor("renorm_momentum", renorm_momentum);
  visitor("fused", fused);
  visitor("virtual_batch_size", virtual_batch_size);
  visitor.closure("adjustment", static_cast<bool>(adjustment));
  visit_choice(visitor, "variance_estimator", variance_estimator,
               {"tensorflow", "biased", "unbiased"});
  visitor("update_statistics", update_statistics);
  visitor("use_batch_statistics", use_batch_statistics);
  visit_choice(visitor, "non_finite", non_finite, {"propagate", "skip", "raise"});
  visit_banks(visitor, banks);
}

void BatchNormalizationOptions::check() const {
  require(!axis.empty(), "axis must name at least one axis; got an empty list");
  const auto require_weight = [](const char* what, double weight) {
    require(weight >= 0 && weight <= 1,
            fmt::format("{} must lie in [0, 1]; got {}", what, number_text(weight)));
  };
  if (!momentum.is_cumulative()) require_weight("momentum", momentum.weight());
  require_weight("renorm_momentum", renorm_momentum);
  require(std::isfinite(epsilon) && epsilon >= 0,
          "epsilon must be finite and at least 0; got " + number_text(epsilon));
  require(renorm || renorm_clipping.empty(),
          "renorm_clipping needs renorm = true; got bounds without it");
  check_banks(banks);
  if (!virtual_batch_size) return;
  require(*virtual_batch_size > 0,
          fmt::format("virtual_batch_size must be at least 1; got {}", *virtual_batch_size));
  require(std::find(axis.begin(), axis.end(), 0) == axis.end(),
          "virtual_batch_size needs the batch axis reduced; got axis 0 among the kept axes");
  require(!adjustment, "virtual_batch_size and adjustment must not be combined; got both");
}

}  // namespace lamina
