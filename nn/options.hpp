// How options are declared, listed and required.
//
// Options of a layer are an aggregate with designated initializers, every field with a default and
// one member function that lists the fields:
//
//   struct DenseOptions {
//     Required<std::int64_t> units;
//     bool use_bias = true;
//     Initializer kernel_initializer = {};
//     std::string name = {};
//     void visit(OptionVisitor& v) {
//       v("units", units.value);
//       v("use_bias", use_bias);
//       v("kernel_initializer", kernel_initializer);
//     }
//     static DenseOptions blank() { return {.units = 1}; }   // only where a field is Required
//   };
//
// Printing, saving and rebuilding a layer follow from visit().
#pragma once

#include <array>
#include <cstdint>
#include <lamina/nn/constraint.hpp>
#include <lamina/nn/initializer.hpp>
#include <lamina/nn/regularizer.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace lamina {

// A field that must be given: without a default constructor, forgetting it does not compile.
template <class V>
struct Required {
  V value;
  template <class... Arguments>
    requires(sizeof...(Arguments) > 0)
  Required(Arguments... arguments)  // NOLINT: implicit by intent
      : value(made(std::move(arguments)...)) {}
  Required(const Required&) = default;
  Required(Required&) = default;
  Required(Required&&) = default;
  Required& operator=(const Required&) = default;
  operator const V&() const noexcept { return value; }  // NOLINT: implicit by intent

 private:
  template <class... Arguments>
  static V made(Arguments... arguments) {
    if constexpr (std::is_floating_point_v<V>) {
      return V(arguments...);  // `.rate = 1`: an integer is welcome
    } else {
      return V{std::move(arguments)...};
    }
  }
};

using Extents2 = std::array<std::int64_t, 2>;  // height, width

class OptionVisitor {
 public:
  virtual ~OptionVisitor() = default;
  virtual void operator()(std::string_view name, bool& value) = 0;
  virtual void operator()(std::string_view name, std::int64_t& value) = 0;
  virtual void operator()(std::string_view name, double& value) = 0;
  virtual void operator()(std::string_view name, std::string& value) = 0;
  virtual void operator()(std::string_view name, std::vector<std::int64_t>& value) = 0;
  virtual void operator()(std::string_view name, Extents2& value) = 0;
  virtual void operator()(std::string_view name, std::optional<bool>& value) = 0;
  virtual void operator()(std::string_view name, std::optional<double>& value) = 0;
  virtual void operator()(std::string_view name, std::optional<std::int64_t>& value) = 0;
  virtual void operator()(std::string_view name, Initializer& value) = 0;
  virtual void operator()(std::string_view name, Regularizer& value) = 0;
  virtual void operator()(std::string_view name, Constraint& value) = 0;

  // A field that holds code. A writer refuses when one is present.
  virtual void closure(std::string_view name, bool present) = 0;
};

// An enumeration goes through a visitor by the names of its values, in their order. ArgumentError
// for a name that is none of them.
std::size_t visit_choice(OptionVisitor& visitor, std::string_view name, std::size_t current,
                         std::initializer_list<std::string_view> names);

template <class Enumeration>
void visit_choice(OptionVisitor& visitor, std::string_view name, Enumeration& value,
                  std::initializer_list<std::string_view> names) {
  value =
      static_cast<Enumeration>(visit_choice(visitor, name, static_cast<std::size_t>(value), names));
}

}  // namespace lamina
