#include <fmt/format.h>

#include <algorithm>
#include <lamina/autograd/tensor/error.hpp>
#include <lamina/serialization/detail/interchange_plan.hpp>
#include <lamina/serialization/detail/module_state.hpp>
#include <set>

namespace lamina::detail {

namespace {

std::string parent_of(const std::string& path) {
  const auto dot = path.rfind('.');
  return dot == std::string::npos ? "" : path.substr(0, dot);
}
std::string last_of(const std::string& path) { return path.substr(path.rfind('.') + 1); }

std::string joined(const std::string& parent, const std::string& name) {
  return parent.empty() ? name : parent + "." + name;
}

// Whether a Sequential made up the name: the type, numbered when it occurs again.
bool is_automatic(const std::string& name, const std::string& type) {
  if (!name.starts_with(type)) return false;
  const std::string rest = name.substr(type.size());
  const bool digits = rest.size() > 1 && rest[0] == '_' &&
                      rest.find_first_not_of("0123456789", 1) == std::string::npos;
  return rest.empty() || digits;
}

std::string shown(double number) { return fmt::format("{:g}", number); }

// The two options of layers that tell how their weights are to be read.
class OptionReader : public OptionVisitor {
 public:
  std::optional<double> epsilon;
  bool channels_last = true;

  void operator()(std::string_view name, double& value) override {
    if (name == "epsilon") epsilon = value;
  }
  void operator()(std::string_view name, std::string& value) override {
    if (name == "layout") channels_last = value == "channels_last";
  }
  void operator()(std::string_view, bool&) override {}
  void operator()(std::string_view, std::int64_t&) override {}
  void operator()(std::string_view, std::vector<std::int64_t>&) override {}
  void operator()(std::string_view, Extents2&) override {}
  void operator()(std::string_view, std::optional<bool>&) override {}
  void operator()(std::string_view, std::optional<double>&) override {}
  void operator()(std::string_view, std::optional<std::int64_t>&) override {}
  void operator()(std::string_view, Initializer&) override {}
  void operator()(std::string_view, Regularizer&) override {}
  void operator()(std::string_view, Constraint&) override {}
  void closure(std::string_view, bool) override {}
};

struct ModuleNames {
  std::string type;
  std::string other;
};

// Gives every module its path in the other framework, and looks for what would go wrong silently.
template <Scalar T>
class ModuleSurvey : public Visitor<T> {
 public:
  explicit ModuleSurvey(const InterchangeOptions& options) : options_(options) {}

  std::map<std::string, ModuleNames> modules;
  std::vector<std::string> problems;

 protected:
  void module(const std::string& path, Module<T>& module) override {
    const std::string type = module.type();
    OptionReader reader;
    module.visit_options(reader);
    modules[path] = {type, other_path(path, type)};
    if (type.ends_with("_normalization")) compare_epsilon(path, reader);
    if (options_.framework == Framework::pytorch) follow_flatten(path, type, reader);
  }

 private:
  std::string other_path(const std::string& path, const std::string& type) {
    // Counted for renamed ones too: the index of the next child does not depend on names.
    const std::size_t index = path.empty() ? 0 : children_[parent_of(path)]++;
    const auto given = options_.rename.find(path);
    if (given != options_.rename.end()) return given->second;
    if (path.empty()) return "";
    const ModuleNames& parent = modules.at(parent_of(path));
    const std::string name = last_of(path);
    if (parent.type != "sequential") return joined(parent.other, name);
    const bool by_index = options_.framework == Framework::pytorch && is_automatic(name, type);
    return joined(parent.other, by_index ? std::to_string(index) : name);
  }

  void compare_epsilon(const std::string& path, const OptionReader& reader) {
    if (!options_.epsilon || !reader.epsilon || *options_.epsilon == *reader.epsilon) return;
    problems.push_back("epsilon of " + path + " is " + shown(*reader.epsilon) + ", expected " +
                       shown(*options_.epsilon));
  }

  // Children of Sequentials are met in the order in which they are called.
  void follow_flatten(const std::string& path, const std::string& type,
                      const OptionReader& reader) {
    if (type == "conv2d") {
      images_ = reader.channels_last;
      flattened_ = false;
    }
    if (path.empty() || modules.at(parent_of(path)).type != "sequential") return;
    if (type == "global_average_pool2d") images_ = false;
    if (type == "flatten" || type == "reshape") flattened_ = images_;
    if (type != "dense") return;
    if (flattened_ && !options_.flattened_channels.contains(path)) {
      problems.push_back("flattened channels of " + path +
                         " are not given, and Flatten met channels-last images");
    }
    images_ = flattened_ = false;
  }

  const InterchangeOptions& options_;
  std::map<std::string, std::size_t> children_;  // met so far, of each module
  bool images_ = false, flattened_ = false;
};

// The name of a layer's value in PyTorch; empty: it has none.
std::string pytorch_name(const std::string& type, const std::string& name) {
  static const std::map<std::string, std::string, std::less<>> weights{{"kernel", "weight"},
                                                                       {"bias", "bias"}};
  static const std::map<std::string, std::string, std::less<>> normalization{
      {"gamma", "weight"},
      {"beta", "bias"},
      {"moving_mean", "running_mean"},
      {"moving_variance", "running_var"},
      {"updates", "num_batches_tracked"}};
  const bool layer = type == "dense" || type == "conv2d";
  if (!layer && !type.ends_with("_normalization")) return name;
  const auto& names = layer ? weights : normalization;
  const auto found = names.find(name);
  return found == names.end() ? "" : found->second;
}

std::string keras_name(const std::string& type, const std::string& name) {
  if (type == "batch_normalization" && pytorch_name(type, name).empty()) return "";
  return name;
}

KernelLayout layout_of(const std::string& type, const std::string& name) {
  if (name != "kernel") return KernelLayout::same;
  if (type == "dense") return KernelLayout::dense;
  return type == "conv2d" ? KernelLayout::convolution : KernelLayout::same;
}

// The innermost module that holds a value: a bank of statistics has a dot in its own name.
template <class Modules>
typename Modules::const_iterator owner_of(const Modules& modules, const std::string& path) {
  std::string owner = path;
  for (;;) {
    owner = parent_of(owner);
    const auto found = modules.find(owner);
    if (found != modules.end() || owner.empty()) return found;
  }
}

template <class Modules, class Named>
void require_modules(const Modules& modules, const Named& named, const std::string& type,
                     const std::string& option, const FileTask& task) {
  for (const auto& [path, value] : named) {
    const auto found = modules.find(path);
    if (found == modules.end() || (!type.empty() && found->second.type != type)) {
      throw ArgumentError(task.who, option + " must name " + (type.empty() ? "modules" : type) +
                                        " of the network; got '" + path + "'");
    }
  }
}

}  // namespace

template <Scalar T>
std::vector<InterchangeEntry> plan_interchange(Module<T>& net, const InterchangeOptions& options,
                                               const FileTask& task) {
  ModuleSurvey<T> survey(options);
  survey.walk(net);
  require_modules(survey.modules, options.rename, "", "rename", task);
  require_modules(survey.modules, options.flattened_channels, "dense", "flattened_channels", task);

  std::vector<InterchangeEntry> entries;
  std::set<std::string> taken;
  const ModuleState<T> state(net);
  for (const auto& member : state.members()) {
    const auto owner = owner_of(survey.modules, member.path);
    const auto& [module_path, module] = *owner;
    const std::string name =
        module_path.empty() ? member.path : member.path.substr(module_path.size() + 1);
    const bool pytorch = options.framework == Framework::pytorch;
    const std::string other =
        pytorch ? pytorch_name(module.type, name) : keras_name(module.type, name);
    InterchangeEntry entry{.path = member.path, .other = {}};
    entry.update_count = module.type == "batch_normalization" && name == "updates";
    if (other.empty()) {
      survey.problems.push_back(member.path + " exists in lamina only");
      continue;
    }
    if (pytorch) {
      entry.layout = layout_of(module.type, name);
      const auto channels = options.flattened_channels.find(module_path);
      if (entry.layout == KernelLayout::dense && channels != options.flattened_channels.end()) {
        entry.channels = channels->second;
      }
    }
    if (pytorch || !entry.update_count) {
      entry.other = joined(module.other, other);
      if (!pytorch) std::replace(entry.other.begin(), entry.other.end(), '.', '/');
      entry.other = options.prefix + entry.other;
      if (!taken.insert(entry.other).second) {
        survey.problems.push_back("two values are called " + entry.other);
      }
    }
    entries.push_back(std::move(entry));
  }
  if (!survey.problems.empty()) {
    std::string text = std::to_string(survey.problems.size()) +
                       (survey.problems.size() == 1 ? " problem:" : " problems:");
    for (const std::string& problem : survey.problems) text += "\n  " + problem;
    throw CheckpointError(task.who, task.path + " must mean the same there; got " + text);
  }
  return entries;
}

template std::vector<InterchangeEntry> plan_interchange(Module<float>&, const InterchangeOptions&,
                                                        const FileTask&);
template std::vector<InterchangeEntry> plan_interchange(Module<double>&, const InterchangeOptions&,
                                                        const FileTask&);

}  // namespace lamina::detail
