#include <algorithm>
#include <lamina/nn/glob.hpp>
#include <lamina/serialization/detail/checkpoint_content.hpp>
#include <lamina/serialization/detail/module_state.hpp>
#include <lamina/serialization/partial_load.hpp>
#include <map>
#include <optional>
#include <variant>

namespace lamina {

namespace {

// A value of the file that the network has a place for.
struct Source {
  std::string path;  // before renaming
  std::variant<detail::TensorEntry, detail::ValueEntry> entry;

  const detail::TensorEntry* tensor() const { return std::get_if<detail::TensorEntry>(&entry); }
  const std::int64_t* integer() const {
    const auto* value = std::get_if<detail::ValueEntry>(&entry);
    return value ? std::get_if<std::int64_t>(&value->value) : nullptr;
  }
  std::string kind() const {
    return std::visit([](const auto& held) { return detail::kind_of(held); }, entry);
  }
};

// Decides for every value of the network where it comes from, then reads and writes.
template <Scalar T>
class PartialLoad {
 public:
  using Member = typename detail::ModuleState<T>::Member;

  PartialLoad(detail::ContainerReader& reader, Module<T>& net, const LoadOptions& options)
      : reader_(reader), options_(options), net_(net), target_(net) {
    for (const Member& member : target_.members()) sources_.emplace(member.path, std::nullopt);
  }

  LoadReport operator()() {
    for_entries(
        [&](const std::string& target, Source source) { offer(target, std::move(source)); });
    for (std::size_t i = 0; i < target_.members().size(); ++i) decide(i);
    note_unexpected();
    differences_.require_none(reader_.task(), "fit the network");
    for (const auto& [index, source] : chosen_) take(index, *source);
    net_.name_tree();
    target_.swap();
    return std::move(report_);
  }

 private:
  // Calls function(path in the network, source) for every value of a network in the file.
  template <class Function>
  void for_entries(const Function& function) const {
    reader_.manifest().for_each([&](const auto& entry) {
      if (!entry.name.starts_with(detail::kModelPrefix)) return;
      Source source{std::string(entry.name.substr(detail::kModelPrefix.size())), entry};
      const std::string target = options_.rename(source.path);
      if (!options_.only.empty() && !matches_glob(options_.only, target)) return;
      function(target, std::move(source));
    });
  }

  void offer(const std::string& target, Source source) {
    const auto place = sources_.find(target);
    if (place == sources_.end()) return;
    if (place->second) {
      reader_.task().fail(
          "hold one value for each path of the network",
          "'" + place->second->path + "' and '" + source.path + "' for '" + target + "'");
    }
    place->second = std::move(source);
  }

  void decide(std::size_t index) {
    const Member& member = target_.members()[index];
    if (!options_.only.empty() && !matches_glob(options_.only, member.path)) return;
    const auto& found = sources_.at(member.path);
    if (!found) return note_missing(member);
    const Source& source = *found;
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
    for_entries([&](const std::string& target, const Source& source) {
      if (sources_.contains(target)) return;
      if (!options_.strict) {
        report_.unexpected.push_back(target);
      } else {
        differences_.unexpected(target, source.kind());
      }
    });
    std::sort(report_.unexpected.begin(), report_.unexpected.end());
  }

  bool is_integer(const Source& source, const Member& member) {
    if (source.integer()) return true;
    differences_.other_kind(member.path, source.kind(), "an integer");
    return false;
  }

  bool is_tensor(const Source& source, const Member& member) {
    const DType wanted = dtype_of<T>();
    const detail::TensorEntry* tensor = source.tensor();
    const bool floating =
        tensor && (tensor->dtype == DType::float32 || tensor->dtype == DType::float64);
    const bool same = tensor && tensor->dtype == wanted;
    if (!same && !(floating && options_.convert_dtype)) {
      differences_.other_kind(member.path, source.kind(), std::string(name_of(wanted)));
      return false;
    }
    if (member.tensor->defined() && !(tensor->shape == member.tensor->shape())) {
      if (options_.skip_other_shape) {
        report_.other_shape.push_back({member.path, tensor->shape, member.tensor->shape()});
      } else {
        differences_.other_shape(member.path, tensor->shape, member.tensor->shape());
      }
      return false;
    }
    if (!same) report_.converted.push_back(member.path);
    return true;
  }

  void take(std::size_t index, const Source& source) {
    if (const auto* integer = source.integer()) return target_.take(index, *integer);
    const StateValue value = reader_.read(*source.tensor());
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
  std::map<std::string, std::optional<Source>> sources_;  // for each path of the network
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
