// Values and state dicts in a Boost archive. Internal.
//
// A value alone is found by its type; in a state dict its kind ("float32", "integer") stands before
// it as a text.
// Errors: CheckpointError for what cannot be a value; nothing is changed then.
#pragma once

#include <lamina/serialization/boost/elements.hpp>
#include <lamina/serialization/state_dict.hpp>
#include <string>
#include <variant>

namespace lamina::detail {

template <Element E>
std::string kind_name(const Tensor<E>&) {
  return std::string(name_of(Tensor<E>::dtype()));
}
inline std::string kind_name(std::int64_t) { return "integer"; }
inline std::string kind_name(double) { return "number"; }
inline std::string kind_name(const std::string&) { return "text"; }

inline std::span<const std::uint8_t> bytes_of_text(const std::string& text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

template <class Archive, Element E>
void save_value(Archive& archive, const Tensor<E>& tensor) {
  save_text(archive, "defined", tensor.defined() ? "yes" : "no");
  if (!tensor.defined()) return;
  save_text(archive, "shape", numbers_text(tensor.shape().extents()));
  save_elements(archive, tensor.values());
}
template <class Archive>
void save_value(Archive& archive, std::int64_t value) {
  save_number(archive, "value", value);
}
template <class Archive>
void save_value(Archive& archive, double value) {
  save_elements(archive, std::span<const double>(&value, 1));
}
template <class Archive>
void save_value(Archive& archive, const std::string& value) {
  save_number(archive, "length", static_cast<std::int64_t>(value.size()));
  save_elements(archive, bytes_of_text(value));
}

template <class Archive>
Shape load_shape(Archive& archive) {
  const std::string text = load_text(archive, "shape");
  try {
    return Shape(numbers_from(text));
  } catch (const ShapeError&) {
    refuse_archive("a shape that a tensor can have", text);
  }
}

template <class Archive, Element E>
void load_value(Archive& archive, Tensor<E>& tensor) {
  const std::string defined = load_text(archive, "defined");
  if (defined == "no") {
    tensor = {};
    return;
  }
  if (defined != "yes") refuse_archive("a tensor", defined);
  auto loaded = Tensor<E>::uninitialized(load_shape(archive));
  load_elements(archive, loaded.mutable_values());
  tensor = std::move(loaded);
}
template <class Archive>
void load_value(Archive& archive, std::int64_t& value) {
  value = load_number(archive, "value");
}
template <class Archive>
void load_value(Archive& archive, double& value) {
  load_elements(archive, std::span<double>(&value, 1));
}
template <class Archive>
void load_value(Archive& archive, std::string& value) {
  std::string loaded(load_count(archive, "length"), '\0');
  load_elements(archive, std::span(reinterpret_cast<std::uint8_t*>(loaded.data()), loaded.size()));
  value = std::move(loaded);
}

// Loads the alternative of that name.
template <class Archive, class... Alternatives>
void load_alternative(Archive& archive, const std::string& kind,
                      std::variant<Alternatives...>& value) {
  const auto attempt = [&](auto alternative) {
    if (kind_name(alternative) != kind) return false;
    load_value(archive, alternative);
    value = std::move(alternative);
    return true;
  };
  if (!(attempt(Alternatives{}) || ...)) refuse_archive("a known kind of value", kind);
}

template <class Archive>
void save_state(Archive& archive, const StateDict& state) {
  save_number(archive, "count", state.size());
  for (const auto& [name, value] : state) {
    save_text(archive, "name", name);
    std::visit(
        [&](const auto& held) {
          save_text(archive, "kind", kind_name(held));
          save_value(archive, held);
        },
        value);
  }
}
template <class Archive>
StateDict load_state_dict(Archive& archive) {
  StateDict state;
  for (std::size_t left = load_count(archive, "count"); left > 0; --left) {
    std::string name = load_text(archive, "name");
    StateValue value;
    load_alternative(archive, load_text(archive, "kind"), value);
    state.add(std::move(name), std::move(value));
  }
  return state;
}

}  // namespace lamina::detail
