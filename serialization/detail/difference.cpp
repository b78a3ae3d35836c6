#include <algorithm>
#include <lamina/serialization/detail/difference.hpp>

namespace lamina::detail {

namespace {

constexpr std::size_t kMostText = std::size_t{1} << 15;

struct KindOf {
  std::string operator()(std::int64_t) const { return "an integer"; }
  std::string operator()(double) const { return "a number"; }
  std::string operator()(std::string_view) const { return "a text"; }
  template <Element E>
  std::string operator()(const Tensor<E>& tensor) const {
    return kind_of(Tensor<E>::dtype(), tensor.shape());
  }
};

}  // namespace

void Differences::missing(const std::string& name, const std::string& what) {
  add("missing: " + name + ", expected " + what);
}

void Differences::unexpected(const std::string& name, const std::string& found) {
  add("unexpected: " + name + ", " + found);
}

void Differences::other_kind(const std::string& name, const std::string& found,
                             const std::string& expected) {
  add("other type: " + name + " is " + found + ", expected " + expected);
}

void Differences::other_shape(const std::string& name, const Shape& found, const Shape& expected) {
  add("other shape: " + name + " is " + found.to_string() + ", expected " + expected.to_string());
}

void Differences::other_text(const std::string& name, const std::string& found,
                             const std::string& expected) {
  add("other value: " + name + " is " + found + ", expected " + expected);
}

void Differences::add(const std::string& line) {
  ++count_;
  if (listed_ + 1 < count_ || lines_.size() + line.size() > kMostText) return;
  lines_ += "\n  " + line;
  ++listed_;
}

void Differences::add_unexpected(StateSource& state, std::vector<std::string> expected_names,
                                 const std::string& prefix) {
  std::sort(expected_names.begin(), expected_names.end());
  state.list([&](std::string_view name, const std::string& kind) {
    if (!std::binary_search(expected_names.begin(), expected_names.end(), name)) {
      unexpected(prefix + std::string(name), kind);
    }
  });
}

void Differences::require_none(const FileTask& task, const std::string& what_must_hold) const {
  if (empty()) return;
  std::string text = std::to_string(count_) + (count_ == 1 ? " difference:" : " differences:");
  text += lines_;
  if (listed_ < count_) text += "\n  and " + std::to_string(count_ - listed_) + " more";
  task.fail(what_must_hold, text);
}

std::string kind_of(DType dtype, const Shape& shape) {
  return std::string(name_of(dtype)) + " " + shape.to_string();
}

std::string kind_of(const StateValue& value) { return std::visit(KindOf{}, value); }
std::string kind_of(const TensorEntry& entry) { return kind_of(entry.dtype, entry.shape); }
std::string kind_of(const ValueEntry& entry) { return std::visit(KindOf{}, entry.value); }

template <Element E>
const Tensor<E>* compatible(const std::string& name, const StateValue* value,
                            const Tensor<E>& expected, Differences& differences) {
  const std::string dtype(name_of(Tensor<E>::dtype()));
  if (!value) {
    differences.missing(name, expected.defined() ? kind_of(expected) : dtype);
    return nullptr;
  }
  const auto* found = std::get_if<Tensor<E>>(value);
  if (!found) {
    differences.other_kind(name, kind_of(*value), dtype);
  } else if (expected.defined() && !(found->shape() == expected.shape())) {
    differences.other_shape(name, found->shape(), expected.shape());
    return nullptr;
  }
  return found;
}

template const Tensor<float>* compatible(const std::string&, const StateValue*,
                                         const Tensor<float>&, Differences&);
template const Tensor<double>* compatible(const std::string&, const StateValue*,
                                          const Tensor<double>&, Differences&);

}  // namespace lamina::detail
