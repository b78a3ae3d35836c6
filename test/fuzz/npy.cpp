#include <cmath>
#include <lamina/autograd/tensor/error.hpp>
#include <lamina/autograd/tensor/npy.hpp>

#include "fuzz/damaged_file.hpp"
#include "support/hostile_reader.hpp"

namespace lamina::test {
namespace {

template <Element E>
std::string npy_of(const Tensor<E>& tensor) {
  return written_by([&](const auto& path) { write_npy(path, tensor); });
}

template <Element E>
bool read_as(const std::string& bytes, std::optional<std::string>& form) {
  const DamagedFile file(bytes);
  Tensor<E> tensor;
  if (!accepts<DataError>(bytes.size(), [&] { tensor = read_npy<E>(file.path()); })) return false;
  const auto elements = std::as_bytes(tensor.values());
  if (!bytes.ends_with(
          std::string_view(reinterpret_cast<const char*>(elements.data()), elements.size()))) {
    throw Breach("npy: other elements than the last bytes of the file");
  }
  form = npy_of(tensor);
  return true;
}

HostileReader npy_reader() {
  return {.name = "npy",
          .originals = {npy_of(Tensor<float>({2, 3}, {1, 2.5f, -3, 0.125f, std::nanf("1"), -0.0f})),
                        npy_of(Tensor<double>::scalar(0.1)),
                        npy_of(Tensor<std::int64_t>({1, 2}, {INT64_MIN, -1})),
                        npy_of(Tensor<std::uint8_t>(Shape{0, 5}, 0))},
          .read = [](const std::string& bytes) {
            std::optional<std::string> form;
            const int types = read_as<float>(bytes, form) + read_as<double>(bytes, form) +
                              read_as<std::int64_t>(bytes, form) +
                              read_as<std::uint8_t>(bytes, form);
            if (types > 1) throw Breach("npy: a file of several element types");
            return form;
          }};
}

const RegisteredReader kNpy("npy", npy_reader);

}  // namespace
}  // namespace lamina::test
