// The two halves of save_generation: taking the state, in the thread that owns it, and writing it,
// in any.
//
// Errors: generations.hpp. Thread-safety: writing may run beside everything else.
#pragma once

#include <lamina/serialization/generations.hpp>
#include <lamina/serialization/state_dict.hpp>

namespace lamina::detail {

// Checks the options as well.
template <Scalar T>
StateDict snapshot_of_generation(const std::string& folder, const CheckpointParts<T>& parts,
                                 const GenerationOptions& options);

// Returns the path of the new file.
std::string write_generation(const std::string& folder, const StateDict& state,
                             const GenerationOptions& options);

}  // namespace lamina::detail
