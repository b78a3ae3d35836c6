// Texts and integers in a Boost archive, in a form that no locale changes. Internal.
//
// Text and XML archives write numbers as their stream does, and a stream that groups digits writes
// what cannot be read again. So every integer goes as a text; the one number that Boost adds, a
// text's length, stays below the first group of three digits.
// Errors: CheckpointError for a text that is not what must stand there.
#pragma once

#include <boost/serialization/nvp.hpp>
#include <boost/serialization/string.hpp>
#include <charconv>
#include <cstdint>
#include <lamina/autograd/tensor/error.hpp>
#include <span>
#include <string>
#include <vector>

namespace lamina::detail {

[[noreturn]] inline void refuse_archive(const std::string& what, const std::string& got) {
  throw CheckpointError("boost", "an archive must hold " + what + "; got '" + got + "'");
}

// Integers separated by spaces.
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
template <class Archive>
std::size_t load_count(Archive& archive, const char* name) {
  const std::int64_t number = load_number(archive, name);
  if (number < 0) {
    refuse_archive(std::string("no negative '") + name + "'", std::to_string(number));
  }
  return static_cast<std::size_t>(number);
}

}  // namespace lamina::detail
