// The architecture of a network as records, and a network from such records.
//
// Records stand in the order in which Visitor walks the tree, the root (empty path) first. Children
// of a Sequential are made from their records; what is below any other module is made by that
// module's constructor, and its records only serve to check that the same came out.
//
// Ties: a child of a Sequential may share all its state with an earlier one (share(layer)); it is
// then made as another handle on it. Any other tie must be made by a constructor, inside one
// module.
//
// Errors: CheckpointError in the words of the task. Thread-safety: any.
#pragma once

#include <lamina/nn/registry.hpp>
#include <lamina/serialization/detail/file_error.hpp>
#include <lamina/serialization/detail/manifest.hpp>
#include <vector>

namespace lamina::detail {

template <Scalar T>
std::vector<ModuleRecord> describe_architecture(const Module<T>& net, const FileTask& task);

template <Scalar T>
ModulePointer<T> make_architecture(const std::vector<ModuleRecord>& records,
                                   const Registry<T>& registry, const FileTask& task);

extern template std::vector<ModuleRecord> describe_architecture(const Module<float>&,
                                                                const FileTask&);
extern template std::vector<ModuleRecord> describe_architecture(const Module<double>&,
                                                                const FileTask&);
extern template ModulePointer<float> make_architecture(const std::vector<ModuleRecord>&,
                                                       const Registry<float>&, const FileTask&);
extern template ModulePointer<double> make_architecture(const std::vector<ModuleRecord>&,
                                                        const Registry<double>&, const FileTask&);

}  // namespace lamina::detail
