#include <lamina/serialization/npz.hpp>

#include "fuzz/checkpoint_bytes.hpp"

namespace lamina::test {
namespace {

std::string npz_of(const StateDict& state, const NpzOptions& options = {}) {
  return saved_by([&](FileSystem& files) { save_npz(kPath, state, options, files); });
}

HostileReader npz_reader() {
  return {.name = "npz",
          .originals = {npz_of(state_of_every_kind()),
                        npz_of(state_of_every_kind(), {.compress = true}), npz_of({})},
          .read = [](const std::string& bytes) -> std::optional<std::string> {
            FakeFileSystem files = folder_with(bytes);
            StateDict state;
            if (!accepts<CheckpointError>(bytes.size(), [&] { state = load_npz(kPath, files); })) {
              return {};
            }
            return npz_of(state);
          }};
}

const RegisteredReader kNpz("npz", npz_reader);

}  // namespace
}  // namespace lamina::test
