// Boost.Serialization for tensors, state dicts, modules, optimizers and training states. Opt-in:
// the umbrella header does not include it.
//
//   #include <boost/archive/xml_oarchive.hpp>
//   #include <lamina/serialization/boost.hpp>
//
//   boost::archive::binary_oarchive binary(stream);  binary & net & adam;
//   boost::archive::xml_oarchive xml(stream);        xml & boost::serialization::make_nvp("net",
//   net);
//
// Any Boost archive will do: binary, text, XML, polymorphic. Every value comes back to the same
// bits, NaN and infinity included: archives that store arrays as they stand in memory get raw bits,
// all others get them as hexadecimal words. Numbers that Boost would write by the stream's locale
// (those above 999) are written as text, so no locale changes an archive.
//
// A module, optimizer or training state is stored by the names of its visit(), and loaded strictly:
// all differences are listed in one CheckpointError and nothing is changed. A network that was
// never called takes its shapes from the archive. An optimizer is loaded after the network that it
// belongs to.
//
// Limits: archives are not portable further than Boost makes them (binary: same architecture and
// Boost version), hold no architecture, and are read without protection against bytes that somebody
// changed: only load what you trust. Files that must survive crashes and corruption are
// save_checkpoint's.
//
// Errors: CheckpointError, and Boost's own archive_exception. Thread-safety: as the archive.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <boost/serialization/array_optimization.hpp>
#include <boost/serialization/array_wrapper.hpp>
#include <boost/serialization/nvp.hpp>
#include <boost/serialization/split_free.hpp>
#include <boost/serialization/string.hpp>
#include <boost/serialization/tracking.hpp>
#include <boost/serialization/version.hpp>
#include <charconv>
#include <cstring>
#include <lamina/autograd/tensor/error.hpp>
#include <lamina/nn/optimizer.hpp>
#include <lamina/serialization/state_dict.hpp>
#include <lamina/serialization/training_state.hpp>
#include <string>
#include <string_view>
#include <type_traits>

namespace lamina::detail {

template <class M>
concept ModuleType = requires(const M& m) { []<Scalar T>(const Module<T>&) {}(m); };
template <class O>
concept OptimizerType = requires(const O& o) { []<Scalar T>(const Optimizer<T>&) {}(o); };
template <class S>
concept TrainingStateType = requires(const S& s) { []<Scalar T>(const TrainingState<T>&) {}(s); };

// Whether arrays go into the archive as they stand in memory.
template <class Archive>
inline constexpr bool kStoresArrays = boost::serialization::use_array_optimization<
    Archive>::template apply<std::uint64_t>::type::value;

// Words per text, so that a text's length stays below the first group of a locale.
inline constexpr std::int64_t kWordsPerText = 50;

[[noreturn]] inline void refuse_archive(const std::string& what, const std::string& got) {
  throw CheckpointError("boost", "an archive must hold " + what + "; got '" + got + "'");
}

// Numbers separated by spaces.
inline std::string numbers_text(std::span<const std::int64_t> numbers) {
  std::string text;
  for (const std::int64_t number : numbers) {
    if (!text.empty()) text += ' ';
    text += std::to_string(number);
  }
  return text;
}

inline std::vector<std::int64_t> numbers_from(const std::string& text) {
  std::vector<std::int64_t> numbers;
  const char* position = text.data();
  const char* const end = position + text.size();
  while (position != end) {
    if (*position == ' ') ++position;
    std::int64_t number = 0;
    const auto [rest, error] = std::from_chars(position, end, number);
    if (error != std::errc{}) refuse_archive("integers", text);
    numbers.push_back(number);
    position = rest;
  }
  return numbers;
}

template <class Archive>
void save_text(Archive& archive, const char* name, const std::string& text) {
  archive << boost::serialization::make_nvp(name, text);
}
template <class Archive>
std::string load_text(Archive& archive, const char* name) {
  std::string text;
  archive >> boost::serialization::make_nvp(name, text);
  return text;
}

template <class Archive>
void save_number(Archive& archive, const char* name, std::int64_t number) {
  save_text(archive, name, std::to_string(number));
}
template <class Archive>
std::int64_t load_number(Archive& archive, const char* name) {
  const std::string text = load_text(archive, name);
  const auto numbers = numbers_from(text);
  if (numbers.size() != 1) refuse_archive(std::string("a number '") + name + "'", text);
  return numbers[0];
}

// The unsigned integer with the bits of an element.
template <Element E>
using BitsOf = std::conditional_t<sizeof(E) == 8, std::uint64_t,
                                  std::conditional_t<sizeof(E) == 4, std::uint32_t, std::uint8_t>>;

template <class Bits>
void append_hexadecimal(std::string& text, Bits bits) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  for (int shift = 8 * static_cast<int>(sizeof(Bits)) - 4; shift >= 0; shift -= 4) {
    text += kDigits[static_cast<std::size_t>(bits >> shift) & 15];
  }
}

template <class Archive, Element E>
void save_elements(Archive& archive, std::span<const E> elements) {
  if constexpr (kStoresArrays<Archive>) {
    archive << boost::serialization::make_nvp(
        "values", boost::serialization::make_array(elements.data(), elements.size()));
  } else {
    for (std::size_t first = 0; first < elements.size(); first += kWordsPerText) {
      std::string text;
      for (const E element :
           elements.subspan(first, std::min<std::size_t>(kWordsPerText, elements.size() - first))) {
        if (!text.empty()) text += ' ';
        append_hexadecimal(text, std::bit_cast<BitsOf<E>>(element));
      }
      save_text(archive, "values", text);
    }
  }
}

template <class Archive, Element E>
void load_elements(Archive& archive, std::span<E> elements) {
  if constexpr (kStoresArrays<Archive>) {
    archive >> boost::serialization::make_nvp(
                   "values", boost::serialization::make_array(elements.data(), elements.size()));
  } else {
    constexpr std::size_t kDigits = 2 * sizeof(E);
    std::string text;
    for (std::size_t i = 0; i < elements.size(); ++i) {
      const std::size_t word = i % kWordsPerText;
      if (word == 0) text = load_text(archive, "values");
      const char* begin = text.data() + std::min(text.size(), word * (kDigits + 1));
      const char* end = text.data() + std::min(text.size(), word * (kDigits + 1) + kDigits);
      BitsOf<E> bits = 0;
      const auto [rest, error] = std::from_chars(begin, end, bits, 16);
      if (error != std::errc{} || rest != end) refuse_archive("hexadecimal words", text);
      elements[i] = std::bit_cast<E>(bits);
    }
  }
}

// Tensors and state dicts have one form for the value alone and one for its kind, by which it is
// found again.
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

template <class Archive, Element E>
void load_value(Archive& archive, Tensor<E>& tensor) {
  const std::string defined = load_text(archive, "defined");
  if (defined == "no") {
    tensor = {};
    return;
  }
  if (defined != "yes") refuse_archive("a tensor", defined);
  auto loaded = Tensor<E>::uninitialized(Shape(numbers_from(load_text(archive, "shape"))));
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
  const std::int64_t length = load_number(archive, "length");
  if (length < 0) refuse_archive("a length", std::to_string(length));
  value.resize(static_cast<std::size_t>(length));
  load_elements(archive, std::span(reinterpret_cast<std::uint8_t*>(value.data()), value.size()));
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
  for (std::int64_t left = load_number(archive, "count"); left > 0; --left) {
    std::string name = load_text(archive, "name");
    StateValue value;
    load_alternative(archive, load_text(archive, "kind"), value);
    state.add(std::move(name), std::move(value));
  }
  return state;
}

}  // namespace lamina::detail

namespace boost::serialization {

template <class Archive, lamina::Element E>
void save(Archive& archive, const lamina::Tensor<E>& tensor, unsigned) {
  lamina::detail::save_value(archive, tensor);
}
template <class Archive, lamina::Element E>
void load(Archive& archive, lamina::Tensor<E>& tensor, unsigned) {
  lamina::detail::load_value(archive, tensor);
}
template <class Archive, lamina::Element E>
void serialize(Archive& archive, lamina::Tensor<E>& tensor, const unsigned version) {
  split_free(archive, tensor, version);
}

template <class Archive>
void serialize(Archive& archive, lamina::StateDict& state, const unsigned) {
  if constexpr (Archive::is_saving::value) {
    lamina::detail::save_state(archive, state);
  } else {
    state = lamina::detail::load_state_dict(archive);
  }
}

template <class Archive, lamina::detail::ModuleType M>
void serialize(Archive& archive, M& net, const unsigned) {
  if constexpr (Archive::is_saving::value) {
    lamina::detail::save_state(archive, lamina::state_of(net));
  } else {
    lamina::load_state(net, lamina::detail::load_state_dict(archive));
  }
}

template <class Archive, lamina::detail::OptimizerType O>
void serialize(Archive& archive, O& optimizer, const unsigned) {
  if constexpr (Archive::is_saving::value) {
    lamina::detail::save_text(archive, "type", optimizer.type());
    lamina::detail::save_state(archive, lamina::state_of(optimizer));
  } else {
    const std::string type = lamina::detail::load_text(archive, "type");
    if (type != optimizer.type()) {
      lamina::detail::refuse_archive("the state of '" + optimizer.type() + "'", type);
    }
    lamina::load_state(optimizer, lamina::detail::load_state_dict(archive));
  }
}

template <class Archive, lamina::detail::TrainingStateType S>
void serialize(Archive& archive, S& state, const unsigned) {
  if constexpr (Archive::is_saving::value) {
    lamina::detail::save_state(archive, lamina::state_of(state));
  } else {
    lamina::load_state(state, lamina::detail::load_state_dict(archive));
  }
}

}  // namespace boost::serialization

// Values, never found again by their address.
#define LAMINA_UNTRACKED(...)                 \
  struct tracking_level<__VA_ARGS__> {        \
    using tag = mpl::integral_c_tag;          \
    using type = mpl::int_<track_never>;      \
    static constexpr int value = track_never; \
  }

namespace boost::serialization {

template <lamina::Element E>
LAMINA_UNTRACKED(lamina::Tensor<E>);
template <>
LAMINA_UNTRACKED(lamina::StateDict);
template <lamina::detail::ModuleType M>
LAMINA_UNTRACKED(M);
template <lamina::detail::OptimizerType O>
LAMINA_UNTRACKED(O);
template <lamina::detail::TrainingStateType S>
LAMINA_UNTRACKED(S);

}  // namespace boost::serialization

#undef LAMINA_UNTRACKED
