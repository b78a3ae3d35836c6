#include <algorithm>
#include <lamina/autograd/tensor/detail/file.hpp>
#include <lamina/autograd/tensor/detail/npy_header.hpp>
#include <lamina/autograd/tensor/error.hpp>
#include <lamina/autograd/tensor/npy.hpp>
#include <new>
#include <string>

namespace lamina {
namespace {

template <Element T>
Shape accepted_shape(const detail::NpyHeader& header, const detail::NpySource& source) {
  const std::string expected(detail::npy_descr(dtype_of<T>()));
  if (header.descr != expected) {
    source.refuse("must hold " + std::string(name_of(dtype_of<T>())) + "; got elements of type '" +
                  header.descr + "', expected '" + expected + "'");
  }
  return header.shape(source);
}

}  // namespace

template <Element T>
Tensor<T> read_npy(const std::string& path) try {
  detail::InputFile file(path, "read_npy");
  const detail::NpySource source{
      .who = "read_npy", .name = file.name(), .read = [&file](void* to, std::size_t bytes) {
        return file.read(to, bytes);
      }};
  const detail::NpyHeader header = detail::read_npy_header(source);
  const Shape shape = accepted_shape<T>(header, source);
  const std::uint64_t held = file.size() - std::min(file.size(), header.bytes);
  const auto count = static_cast<std::uint64_t>(shape.size());
  if (held % sizeof(T) != 0 || held / sizeof(T) != count) {
    source.refuse("must hold the elements of its shape " + shape.to_string() + "; got " +
                  std::to_string(held) + " bytes behind the header");
  }
  auto tensor = Tensor<T>::uninitialized(shape);
  if (file.read(tensor.mutable_data(), held) != held) {
    source.refuse("must not change while it is read; got its end too early");
  }
  return tensor;
} catch (const std::bad_alloc&) {
  throw DataError("read_npy", path + " must fit in memory; got more than there is");
}

template <Element T>
void write_npy(const std::string& path, const Tensor<T>& tensor) {
  if (!tensor.defined()) {
    throw StateError("write_npy", "the tensor must be defined; got a default-constructed one");
  }
  const std::string header = detail::npy_header(dtype_of<T>(), tensor.shape());
  detail::write_file(path, "write_npy",
                     {std::as_bytes(std::span(header)), std::as_bytes(tensor.values())});
}

#define LAMINA_NPY(T)                                 \
  template Tensor<T> read_npy<T>(const std::string&); \
  template void write_npy(const std::string&, const Tensor<T>&);
LAMINA_NPY(float)
LAMINA_NPY(double)
LAMINA_NPY(std::int64_t)
LAMINA_NPY(std::uint8_t)
#undef LAMINA_NPY

}  // namespace lamina
