#include <lamina/lamina.hpp>
#include <lamina/serialization/detail/architecture.hpp>
#include <lamina/serialization/detail/container.hpp>

#include "fuzz/checkpoint_bytes.hpp"
#include "serialization/small_network.hpp"

namespace lamina::test {
namespace {

const detail::FileTask kTask{.who = "load", .path = kPath};

StateDict more_than_every_kind() {
  StateDict state = state_of_every_kind();
  state.add("e", Tensor<std::uint8_t>({1}, {9}));
  return state;
}

std::vector<detail::ModuleRecord> small_architecture() {
  Sequential<float> net;
  net.add(Linear<float>({.units = 3, .kernel_initializer = constant(0.5), .integers = {1, -2}}));
  return detail::describe_architecture(net, kTask);
}

std::string container_of(const StateDict& state, const std::vector<detail::ModuleRecord>& modules) {
  return saved_by([&](FileSystem& files) {
    detail::atomic_save(files, kTask,
                        [&](detail::Sink& sink) { detail::write_container(sink, state, modules); });
  });
}

// What is accepted has one form only. Its library version is the writer's own, and is put back.
void require_same_bytes(const std::string& bytes, const std::string& form,
                        const detail::StoredManifest& manifest) {
  const std::string text = detail::encode_manifest(listed(manifest));
  if (bytes.compare(detail::kHeaderBytes, text.size(), text) != 0) {
    throw Breach("container: a manifest that has another form");
  }
  if (manifest.library_version() == version() && form != bytes) {
    throw Breach("container: data that have another form");
  }
}

HostileReader container_reader() {
  return {.name = "container",
          .originals = {container_of(more_than_every_kind(), small_architecture()),
                        container_of({}, {})},
          .read = [](const std::string& bytes) -> std::optional<std::string> {
            FakeFileSystem files = folder_with(bytes);
            StateDict state;
            std::optional<detail::ContainerReader> reader;
            const bool accepted = accepts<CheckpointError>(bytes.size(), [&] {
              reader.emplace(files, kTask);
              state = reader->read("");
            });
            if (!accepted) return {};
            std::string form = container_of(state, reader->manifest().architecture());
            require_same_bytes(bytes, form, reader->manifest());
            return form;
          },
          .reseal = reseal_checkpoint,
          .described_by = described_bytes};
}

const RegisteredReader kContainer("container", container_reader);

}  // namespace
}  // namespace lamina::test
