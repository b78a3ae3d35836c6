#include <lamina/serialization/safetensors.hpp>

#include "fuzz/checkpoint_bytes.hpp"

namespace lamina::test {
namespace {

std::string safetensors_of(const StateDict& state) {
  return saved_by([&](FileSystem& files) { save_safetensors(kPath, state, {}, files); });
}

HostileReader safetensors_reader() {
  return {.name = "safetensors",
          .originals = {safetensors_of(state_of_every_kind()), safetensors_of({})},
          .read = [](const std::string& bytes) -> std::optional<std::string> {
            FakeFileSystem files = folder_with(bytes);
            StateDict state;
            if (!accepts<CheckpointError>(bytes.size(),
                                          [&] { state = load_safetensors(kPath, files); })) {
              return {};
            }
            return safetensors_of(state);
          }};
}

const RegisteredReader kSafetensors("safetensors", safetensors_reader);

}  // namespace
}  // namespace lamina::test
