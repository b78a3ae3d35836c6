#include <lamina/autograd/tensor/error.hpp>
#include <lamina/data/idx.hpp>

#include "fuzz/damaged_file.hpp"
#include "support/hostile_reader.hpp"

namespace lamina::test {
namespace {

std::string idx_of(const Tensor<std::uint8_t>& tensor) {
  return written_by([&](const auto& path) { data::write_idx(path, tensor); });
}

// A plain file has one form. Packed ones are gzip.cpp's.
HostileReader idx_reader() {
  return {.name = "idx",
          .originals = {idx_of(Tensor<std::uint8_t>({2, 3}, {1, 2, 3, 253, 254, 255})),
                        idx_of(Tensor<std::uint8_t>(Shape{1, 2, 1, 3, 1, 2, 1, 1}, 9)),
                        idx_of(Tensor<std::uint8_t>(Shape{0, 28, 28}, 0))},
          .read = [](const std::string& bytes) -> std::optional<std::string> {
            if (bytes.starts_with("\x1f\x8b")) return {};
            const DamagedFile file(bytes);
            Tensor<std::uint8_t> tensor;
            if (!accepts<DataError>(bytes.size(), [&] { tensor = data::read_idx(file.path()); })) {
              return {};
            }
            std::string form = idx_of(tensor);
            if (form != bytes) throw Breach("idx: other data than the file's bytes");
            return form;
          }};
}

const RegisteredReader kIdx("idx", idx_reader);

}  // namespace
}  // namespace lamina::test
