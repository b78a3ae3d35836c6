#include <lamina/serialization/npz.hpp>

#include "fuzz/checkpoint_bytes.hpp"

namespace lamina::test {
namespace {

std::string npz_of(const StateDict& state, const NpzOptions& options = {}) {
  return saved_by([&](FileSystem& files) { save_npz(kPath, state, options, files); });
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

HostileReader npz_reader() {
  return {.name = "npz",
          .originals = {npz_of(every_kind()), npz_of(every_kind(), {.compress = true}), npz_of({})},
          .read = [](const std::string& bytes) -> std::optional<std::string> {
            FakeFileSystem files = folder_with(bytes);
            StateDict state;
            if (!accepts<CheckpointError>(bytes.size(),
                                          [&] { state = load_npz(kPath, files); })) {
              return {};
            }
            return npz_of(state);
          }};
}

const RegisteredReader kNpz("npz", npz_reader);

}  // namespace
}  // namespace lamina::test
