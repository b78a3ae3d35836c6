// The elements of tensors in a Boost archive, to the same bits. Internal.
//
// Archives that store arrays as they stand in memory (binary ones) get raw bits. All others get
// hexadecimal words, 50 in a text: decimal numbers would lose NaN, and text archives cannot read
// infinity.
// Errors: CheckpointError for a text that is no hexadecimal word.
#pragma once

#include <algorithm>
#include <bit>
#include <boost/serialization/array_optimization.hpp>
#include <boost/serialization/array_wrapper.hpp>
#include <lamina/autograd/tensor/scalar.hpp>
#include <lamina/serialization/boost/text.hpp>
#include <string_view>
#include <type_traits>

namespace lamina::detail {

// Whether arrays go into the archive as they stand in memory.
template <class Archive>
inline constexpr bool kStoresArrays = boost::serialization::use_array_optimization<
    Archive>::template apply<std::uint64_t>::type::value;

// Words per text, so that a text's length stays below the first group of a locale.
inline constexpr std::int64_t kWordsPerText = 50;

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

}  // namespace lamina::detail
