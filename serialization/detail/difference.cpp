#include <algorithm>
#include <lamina/serialization/detail/difference.hpp>

namespace lamina::detail {

namespace {

struct KindOf {
  std::string operator()(std::int64_t) const { return "an integer"; }
  std::string operator()(double) const { return "a number"; }
  std::string operator()(const std::string&) const { return "a text"; }
  template <Element E>
  std::string operator()(const Tensor<E>& tensor) const {
    return kind_of(Tensor<E>::dtype(), tensor.shape());
  }
};

}  // namespace

void Differences::missing(const std::string& name, const std::string& what) {
  lines_.push_back("missing: " + name + ", expected " + what);
}

void Differences::unexpected(const std::string& name, const std::string& found) {
  lines_.push_back("unexpected: " + name + ", " + found);
}

void Differences::other_kind(const std::string& name, const std::string& found,
                             const std::string& expected) {
  lines_.push_back("other type: " + name + " is " + found + ", expected " + expected);
}

void Differences::other_shape(const std::string& name, const Shape& found, const Shape& expected) {
  lines_.push_back("other shape: " + name + " is " + found.to_string() + ", expected " +
                   expected.to_string());
}

void Differences::other_text(const std::string& name, const std::string& found,
                             const std::string& expected) {
  lines_.push_back("other value: " + name + " is " + found + ", expected " + expected);
}

void Differences::add_unexpected(const StateDict& state, std::vector<std::string> expected_names,
                                 const std::string& prefix) {
  std::sort(expected_names.begin(), expected_names.end());
  for (const auto& [name, value] : state) {
    if (!std::binary_search(expected_names.begin(), expected_names.end(), name)) {
      unexpected(prefix + name, kind_of(value));
    }
  }
}

void Differences::require_none(const FileTask& task, const std::string& what_must_hold) const {
  if (lines_.empty()) return;
  std::string text =
      std::to_string(lines_.size()) + (lines_.size() == 1 ? " difference:" : " differences:");
  for (const std::string& line : lines_) text += "\n  " + line;
  task.fail(what_must_hold, text);
}

std::string kind_of(DType dtype, const Shape& shape) {
  return std::string(name_of(dtype)) + " " + shape.to_string();
}

std::string kind_of(const StateValue& value) { return std::visit(KindOf{}, value); }

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
