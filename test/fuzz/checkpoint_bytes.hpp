// Checkpoint files as bytes: written to and read from memory, and made to fit their checksums
// again.
#pragma once

#include <lamina/serialization/detail/stored_manifest.hpp>
#include <lamina/serialization/state_dict.hpp>
#include <optional>
#include <string>

#include "serialization/fake_file_system.hpp"
#include "support/hostile_reader.hpp"

namespace lamina::test {

// A value of every type that a file can hold, an empty tensor and a scalar among them.
StateDict state_of_every_kind();

constexpr const char* kPath = "file";

// What a save into an empty folder leaves.
template <class Save>
std::string saved_by(const Save& save) {
  FakeFileSystem files;
  save(files);
  return files.files.at(kPath);
}

inline FakeFileSystem folder_with(const std::string& bytes) {
  FakeFileSystem files;
  files.files[kPath] = bytes;
  return files;
}

// All of a manifest that was read, to be written again; its names are views of the other's bytes.
detail::Manifest listed(const detail::StoredManifest& stored);

// Header and manifest: what is in front of the data.
std::size_t described_bytes(const std::string& file);

// Makes sizes and checksums of header, manifest and, where the manifest can be read, tensors fit
// the bytes again.
void reseal_checkpoint(std::string& file);

}  // namespace lamina::test
