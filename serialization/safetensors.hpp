// safetensors: the file format in which PyTorch's users exchange weights.
//
//   save_safetensors("weights.safetensors", state_of(net), {{"origin", "lamina"}});
//   StateDict state = load_safetensors("weights.safetensors");
//
//   u64 N, then N bytes of JSON: {"name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [begin,
//   end]}, ..., "__metadata__": {"key": "text"}}; then the tensors, row-major, without holes
//
// Element types are F32, F64, I64 and U8, and nothing is converted. A StateDict's other values come
// back as what they were: an integer is a tensor I64 of shape [], a number one of F64, both marked
// in the metadata ("lamina.integer.<name>", "lamina.number.<name>"); a text stands in the metadata
// alone ("lamina.text.<name>"). Equal states give equal files, replaced as checkpoints are (whole
// or not).
//
// Reading believes nothing: the header must lie in the file and take at most 100 MB, follow the
// form above with no key twice, and its tensors must fill the rest of the file without holes or
// overlaps. It takes the bytes of the file, and a small multiple of the header's. There are no
// checksums in this format: other bits in a tensor are other values.
//
// Errors: CheckpointError naming the file, and the tensor where there is one. ArgumentError for
// metadata under a key that begins with "lamina.". Thread-safety: as standard containers.
// Source: the format description of safetensors 0.4.
#pragma once

#include <lamina/serialization/file_system.hpp>
#include <lamina/serialization/state_dict.hpp>
#include <map>
#include <string>

namespace lamina {

using SafetensorsMetadata = std::map<std::string, std::string>;

void save_safetensors(const std::string& path, const StateDict& state,
                      const SafetensorsMetadata& metadata = {},
                      FileSystem& files = posix_file_system());

StateDict load_safetensors(const std::string& path, FileSystem& files = posix_file_system());

// What its writer said about the file, without lamina's own entries. Reads only the header.
SafetensorsMetadata load_safetensors_metadata(const std::string& path,
                                              FileSystem& files = posix_file_system());

}  // namespace lamina
