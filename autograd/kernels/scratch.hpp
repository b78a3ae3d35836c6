// Scratch: uninitialized, 64-byte aligned memory for the length of a scope; Zeros: the same, all 0.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <lamina/autograd/tensor/allocator.hpp>

namespace lamina::kernels {

template <class T>
class Scratch {
 public:
  explicit Scratch(std::int64_t count)
      : bytes_(static_cast<std::size_t>(count) * sizeof(T)),
        data_(static_cast<T*>(allocate_memory(bytes_))) {}
  ~Scratch() { free_memory(data_, bytes_); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  T* data() noexcept { return data_; }
  const T* data() const noexcept { return data_; }

 private:
  std::size_t bytes_;
  T* data_;
};

class Zeros : public Scratch<float> {
 public:
  explicit Zeros(std::int64_t count) : Scratch(count) { std::fill_n(data(), count, 0.0F); }
};

}  // namespace lamina::kernels
