// Options in memory: what a file does with them, without the file.
//
//   OptionStore store;
//   module.visit_options(store);            // writes
//   store.reading(); other.visit(store);    // reads: a field that nobody wrote is a failure
#pragma once

#include <any>
#include <boost/test/unit_test.hpp>
#include <lamina/nn/options.hpp>
#include <map>
#include <string>

namespace lamina::test {

class OptionStore : public OptionVisitor {
 public:
  std::map<std::string, std::any, std::less<>> fields;
  bool read = false;

  OptionStore& reading() {
    read = true;
    return *this;
  }

  void operator()(std::string_view name, bool& value) override { pass(name, value); }
  void operator()(std::string_view name, std::int64_t& value) override { pass(name, value); }
  void operator()(std::string_view name, double& value) override { pass(name, value); }
  void operator()(std::string_view name, std::string& value) override { pass(name, value); }
  void operator()(std::string_view name, std::vector<std::int64_t>& value) override {
    pass(name, value);
  }
  void operator()(std::string_view name, Extents2& value) override { pass(name, value); }
  void operator()(std::string_view name, std::optional<bool>& value) override { pass(name, value); }
  void operator()(std::string_view name, std::optional<double>& value) override {
    pass(name, value);
  }
  void operator()(std::string_view name, std::optional<std::int64_t>& value) override {
    pass(name, value);
  }
  // As descriptions, which is all that a file can hold.
  void operator()(std::string_view name, Initializer& value) override { describe(name, value); }
  void operator()(std::string_view name, Regularizer& value) override { describe(name, value); }
  void operator()(std::string_view name, Constraint& value) override { describe(name, value); }
  void closure(std::string_view name, bool present) override {
    BOOST_TEST(!present, "no option of code is expected; got " << name);
  }

 private:
  template <class V>
  void pass(std::string_view name, V& value) {
    if (read) {
      const auto found = fields.find(name);
      if (found == fields.end() && name == "checkpointed") return;  // asked of every module
      BOOST_TEST_REQUIRE((found != fields.end()), "an option that nobody wrote: " << name);
      value = std::any_cast<V>(found->second);
    } else {
      BOOST_TEST(!fields.contains(name), "an option that was written twice: " << name);
      fields.emplace(name, value);
    }
  }
  template <class V>
  void describe(std::string_view name, V& value) {
    Description description = value.describe();
    pass(name, description);
    if (read) value = V::from(description);
  }
};

// The numbers and texts of all fields, for comparison.
inline std::string text_of(const std::any& field) {
  if (const auto* v = std::any_cast<bool>(&field)) return *v ? "true" : "false";
  if (const auto* v = std::any_cast<std::int64_t>(&field)) return std::to_string(*v);
  if (const auto* v = std::any_cast<double>(&field)) return std::to_string(*v);
  if (const auto* v = std::any_cast<std::string>(&field)) return *v;
  if (const auto* v = std::any_cast<Extents2>(&field)) {
    return std::to_string((*v)[0]) + " " + std::to_string((*v)[1]);
  }
  if (const auto* v = std::any_cast<std::optional<double>>(&field)) {
    return *v ? std::to_string(**v) : "none";
  }
  if (const auto* v = std::any_cast<std::optional<bool>>(&field)) {
    return *v ? (**v ? "true" : "false") : "none";
  }
  if (const auto* v = std::any_cast<std::optional<std::int64_t>>(&field)) {
    return *v ? std::to_string(**v) : "none";
  }
  std::string text;
  if (const auto* v = std::any_cast<std::vector<std::int64_t>>(&field)) {
    for (const std::int64_t number : *v) text += std::to_string(number) + " ";
    return text;
  }
  const auto description = std::any_cast<Description>(field);
  text = description.name;
  for (const auto& [name, number] : description.numbers) {
    text += " " + name + "=" + std::to_string(number);
  }
  return text;
}

inline std::map<std::string, std::string> texts_of(const OptionStore& store) {
  std::map<std::string, std::string> texts;
  for (const auto& [name, field] : store.fields) texts[name] = text_of(field);
  return texts;
}

}  // namespace lamina::test
