// Differences between what a state is needed for and what a file holds, gathered so that one error
// can list them all: in up to 32 KiB of text, for a file may list millions of names, and the others
// as their number.
//
// Thread-safety: as a standard container.
#pragma once

#include <lamina/serialization/detail/state_source.hpp>
#include <string>
#include <vector>

namespace lamina::detail {

class Differences {
 public:
  void missing(const std::string& name, const std::string& what);
  // `found`: what kind_of() says of it.
  void unexpected(const std::string& name, const std::string& found);
  void other_kind(const std::string& name, const std::string& found, const std::string& expected);
  void other_shape(const std::string& name, const Shape& found, const Shape& expected);
  void other_text(const std::string& name, const std::string& found, const std::string& expected);

  // Unexpected is what the state holds and `expected_names` does not.
  void add_unexpected(StateSource& state, std::vector<std::string> expected_names,
                      const std::string& prefix);

  bool empty() const noexcept { return count_ == 0; }
  // CheckpointError with one line per difference; nothing when there are none.
  void require_none(const FileTask& task, const std::string& what_must_hold) const;

 private:
  void add(const std::string& line);

  std::string lines_;
  std::size_t count_ = 0, listed_ = 0;
};

// "float32 (3, 5)", "an integer", "a number", "a text".
std::string kind_of(const StateValue& value);
std::string kind_of(DType dtype, const Shape& shape);
std::string kind_of(const TensorEntry& entry);
std::string kind_of(const ValueEntry& entry);

// `value` where it is a tensor of E that may stand at a place of shape `expected` (undefined: any
// shape); null, with the difference noted, otherwise. A null `value` is missing.
template <Element E>
const Tensor<E>* compatible(const std::string& name, const StateValue* value,
                            const Tensor<E>& expected, Differences& differences);

}  // namespace lamina::detail
