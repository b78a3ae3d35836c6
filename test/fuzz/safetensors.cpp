#include <lamina/serialization/safetensors.hpp>

#include "fuzz/checkpoint_bytes.hpp"

namespace lamina::test {
namespace {

std::string safetensors_of(const StateDict& state) {
  return saved_by([&](FileSystem& files) { save_safetensors(kPath, state, {}, files); });
}

StateDict every_kind() {
  StateDict state;
  state.add("a", Tensor<float>({2, 3}, {1, 2, 3, 4, 5, 6}));
  state.add("b", Tensor<double>({3}, {-1, 0, 1}));
  state.add("c", Tensor<std::int64_t>({}, {7}));
  state.add("d", Tensor<std::uint8_t>({0, 5}, std::uint8_t{0}));
  state.add("n", std::int64_t{-3});
  state.add("x", 0.1);
  state.add("z", "caf\u00e9");
  return state;
}

HostileReader safetensors_reader() {
  return {.name = "safetensors",
          .originals = {safetensors_of(every_kind()), safetensors_of({})},
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
