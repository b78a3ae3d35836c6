// ConfusionMatrix: how often each class was taken for each other.
//
//   ConfusionMatrix matrix(10);
//   matrix.update(trainer.predict(test), test.labels());
//   matrix.count(4, 9);          // fours taken for nines
//   std::puts(matrix.to_string().c_str());
//
// Rows are true classes, columns predicted ones. Errors: ArgumentError (fewer than 1 class, a class
// or label out of range), ShapeError; nothing is added then. Thread-safety: one thread at a time.
#pragma once

#include <cstdint>
#include <lamina/autograd/tensor/tensor.hpp>
#include <string>
#include <vector>

namespace lamina {

class ConfusionMatrix {
 public:
  explicit ConfusionMatrix(std::int64_t classes);

  // Scores (N, classes), labels (N).
  template <Scalar T>
  void update(const Tensor<T>& scores, const Tensor<std::int64_t>& labels);
  void add(std::int64_t label, std::int64_t predicted);

  std::int64_t classes() const noexcept { return classes_; }
  std::int64_t count(std::int64_t label, std::int64_t predicted) const;
  std::int64_t total() const noexcept;

  // NaN where nothing was counted.
  double accuracy() const;
  double precision(
      std::int64_t predicted) const;        // of those taken for the class, the share that is it
  double recall(std::int64_t label) const;  // of those that are the class, the share taken for it

  // A table with the recall of each class and the accuracy.
  std::string to_string() const;

 private:
  std::size_t index(std::int64_t label, std::int64_t predicted) const;

  std::int64_t classes_;
  std::vector<std::int64_t> counts_;
};

}  // namespace lamina
