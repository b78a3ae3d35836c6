#include <lamina/nn/glob.hpp>
#include <lamina/serialization/detail/checkpoint_content.hpp>
#include <lamina/serialization/detail/module_state.hpp>
#include <lamina/serialization/partial_load.hpp>
#include <map>
#include <set>

namespace lamina {

namespace {

// A value of the file that may be loaded.
struct Source {
  std::string path;  // before renaming
  const detail::TensorEntry* tensor = nullptr;
  const detail::ValueEntry* value = nullptr;
};
using Sources = std::map<std::string, Source>;  // by path in the network

class SourceFinder {
 public:
  SourceFinder(const detail::FileTask& task, const LoadOptions& options)
      : task_(task), options_(options) {}

  Sources operator()(const detail::Manifest& manifest) {
    for (const auto& entry : manifest.tensors) add(entry.name, {.path = {}, .tensor = &entry});
    for (const auto& entry : manifest.values) add(entry.name, {.path = {}, .value = &entry});
    return std::move(sources_);
  }

 private:
  void add(const std::string& name, Source source) {
    if (!name.starts_with(detail::kModelPrefix)) return;
    source.path = name.substr(detail::kModelPrefix.size());
    const std::string target = options_.rename(source.path);
    if (!options_.only.empty() && !matches_glob(options_.only, target)) return;
    const auto [other, fresh] = sources_.emplace(target, source);
    if (!fresh) {
      task_.fail("hold one value for each path of the network",
                 "'" + other->second.path + "' and '" + source.path + "' for '" + target + "'");
    }
  }

  const detail::FileTask& task_;
  const LoadOptions& options_;
  Sources sources_;
};

// Decides for every value of the network where it comes from, then reads and writes.
template <Scalar T>
class PartialLoad {
 public:
  using Member = typename detail::ModuleState<T>::Member;

  PartialLoad(detail::ContainerReader& reader, Module<T>& net, const LoadOptions& options)
      : reader_(reader),
        options_(options),
        net_(net),
        target_(net),
        sources_(SourceFinder(reader.task(), options)(reader.manifest())) {}

  LoadReport operator()() {
    for (std::size_t i = 0; i < target_.members().size(); ++i) decide(i);
    note_unexpected();
    differences_.require_none(reader_.task(), "fit the network");
    for (const auto& [index, source] : chosen_) take(index, *source);
    net_.name_tree();
    target_.swap();
    return std::move(report_);
  }

 private:
  void decide(std::size_t index) {
    const Member& member = target_.members()[index];
    if (!options_.only.empty() && !matches_glob(options_.only, member.path)) return;
    const auto found = sources_.find(member.path);
    if (found == sources_.end()) return note_missing(member);
    used_.insert(member.path);
    const Source& source = found->second;
    if (member.counter ? !is_integer(source, member) : !is_tensor(source, member)) return;
    chosen_.emplace_back(index, &source);
    report_.loaded.push_back(member.path);
    if (source.path != member.path) report_.renamed.emplace_back(source.path, member.path);
  }

  void note_missing(const Member& member) {
    if (options_.strict) {
      const bool shaped = member.tensor && member.tensor->defined();
      differences_.missing(member.path, member.counter ? "an integer"
                                        : shaped       ? detail::kind_of(*member.tensor)
                                                       : std::string(name_of(dtype_of<T>())));
    } else {
      report_.missing.push_back(member.path);
    }
  }

  void note_unexpected() {
    for (const auto& [path, source] : sources_) {
      if (used_.contains(path)) continue;
      if (!options_.strict) {
        report_.unexpected.push_back(path);
      } else {
        differences_.unexpected(path, kind_of(source));
      }
    }
  }

  bool is_integer(const Source& source, const Member& member) {
    if (source.value && std::holds_alternative<std::int64_t>(source.value->value)) return true;
    differences_.other_kind(member.path, kind_of(source), "an integer");
    return false;
  }

  bool is_tensor(const Source& source, const Member& member) {
    const DType wanted = dtype_of<T>();
    const bool floating = source.tensor && (source.tensor->dtype == DType::float32 ||
                                            source.tensor->dtype == DType::float64);
    const bool same = source.tensor && source.tensor->dtype == wanted;
    if (!same && !(floating && options_.convert_dtype)) {
      differences_.other_kind(member.path, kind_of(source), std::string(name_of(wanted)));
      return false;
    }
    if (member.tensor->defined() && !(source.tensor->shape == member.tensor->shape())) {
      if (options_.skip_other_shape) {
        report_.other_shape.push_back({member.path, source.tensor->shape, member.tensor->shape()});
      } else {
        differences_.other_shape(member.path, source.tensor->shape, member.tensor->shape());
      }
      return false;
    }
    if (!same) report_.converted.push_back(member.path);
    return true;
  }

  static std::string kind_of(const Source& source) {
    if (source.tensor) return detail::kind_of(source.tensor->dtype, source.tensor->shape);
    return std::visit([](const auto& held) { return detail::kind_of(StateValue(held)); },
                      source.value->value);
  }

  void take(std::size_t index, const Source& source) {
    if (source.value) return target_.take(index, std::get<std::int64_t>(source.value->value));
    const StateValue value = reader_.read(*source.tensor);
    if (const auto* single = std::get_if<Tensor<float>>(&value)) {
      target_.take(index, single->template cast<T>());
    } else {
      target_.take(index, std::get<Tensor<double>>(value).template cast<T>());
    }
  }

  detail::ContainerReader& reader_;
  const LoadOptions& options_;
  Module<T>& net_;
  detail::ModuleState<T> target_;
  const Sources sources_;
  std::set<std::string> used_;
  std::vector<std::pair<std::size_t, const Source*>> chosen_;
  detail::Differences differences_;
  LoadReport report_;
};

}  // namespace

Renaming::Renaming(std::initializer_list<std::pair<std::string, std::string>> pairs) {
  const std::vector<std::pair<std::string, std::string>> copied(pairs);
  if (copied.empty()) return;
  function_ = [copied](const std::string& path) {
    for (const auto& [from, to] : copied) {
      if (path == from && !to.empty()) return to;
      const bool below = from.empty() || path.starts_with(from + ".");
      if (!below) continue;
      const std::string rest = from.empty() ? path : path.substr(from.size() + 1);
      return to.empty() ? rest : to + "." + rest;
    }
    return path;
  };
}

template <Scalar T>
LoadReport load_checkpoint(const std::string& path, Module<T>& net, const LoadOptions& options,
                           FileSystem& files) {
  detail::ContainerReader reader(files, {.who = "load_checkpoint", .path = path});
  return PartialLoad<T>(reader, net, options)();
}

template LoadReport load_checkpoint(const std::string&, Module<float>&, const LoadOptions&,
                                    FileSystem&);
template LoadReport load_checkpoint(const std::string&, Module<double>&, const LoadOptions&,
                                    FileSystem&);

}  // namespace lamina
