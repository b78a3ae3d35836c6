// npz: NumPy's archive of named arrays, a ZIP file whose members are .npy files.
//
//   save_npz("weights.npz", state_of(net));                       // numpy.load("weights.npz")
//   StateDict state = load_npz("weights.npz");                    // numpy.savez(..., name=array)
//
// Written are stored members, or deflated ones with {.compress = true}, which takes memory for the
// compressed bytes of one tensor. Element types are float32, float64, int64 and uint8 in C order,
// and nothing is converted. A StateDict's other values come back as what they were: an integer is
// an int64 array of shape (), a number a float64 one, a text the uint8 array of its bytes; the
// member's comment ("integer", "number", "text") tells them from arrays. Equal states give equal
// files, replaced as checkpoints are (whole or not).
//
// Reading believes nothing: members must lie in the file one after the other, without overlap,
// under the names that the directory at the end gives them; each is held to its CRC32, and takes no
// memory before its own header, and what its compressed bytes can expand to, agree.
//
// Errors: CheckpointError naming the file, and the member where there is one; also for files and
// members of 4 GiB and more (ZIP64), encryption, and methods other than stored and deflated.
// Thread-safety: as standard containers. Source: numpy.savez; PKWARE's APPNOTE 6.3.
#pragma once

#include <lamina/serialization/file_system.hpp>
#include <lamina/serialization/state_dict.hpp>
#include <string>

namespace lamina {

struct NpzOptions {
  bool compress = false;
};

void save_npz(const std::string& path, const StateDict& state, const NpzOptions& options = {},
              FileSystem& files = posix_file_system());

StateDict load_npz(const std::string& path, FileSystem& files = posix_file_system());

}  // namespace lamina
