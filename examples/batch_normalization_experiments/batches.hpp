// Which examples a batch is made of.
//
//   BatchSampler sampler(train.labels(), Composition::two_classes, 32, seed);
//   std::vector<std::int64_t> indices = sampler.next();
//
//   independent   every example once in a random order, then again in another; a batch goes on
//                 where the one before it ended
//   two_classes   two classes drawn at random for every batch, then as many examples of each, drawn
//                 with repetition: example k belongs to the first class where k is even
//
// The batches are a function of (labels, composition, size, seed). Errors: lamina::ArgumentError
// for a size below 1, fewer than two classes. Thread-safety: one thread uses a sampler.
// Source: Ioffe, Batch Renormalization (2017), section 4.3, draws 16 of 1,000 classes and 2 images
// of each; of the ten digits two are as small a share as still makes a task.
#pragma once

#include <cstdint>
#include <lamina/autograd/tensor/random.hpp>
#include <lamina/autograd/tensor/tensor.hpp>
#include <vector>

namespace experiments {

enum class Composition { independent, two_classes };

class BatchSampler {
 public:
  BatchSampler(const lamina::Tensor<std::int64_t>& labels, Composition composition,
               std::int64_t batch_size, std::uint64_t seed);

  std::vector<std::int64_t> next();

 private:
  std::vector<std::int64_t> next_independent();
  std::vector<std::int64_t> next_two_classes();

  Composition composition_;
  std::int64_t examples_, batch_size_;
  lamina::Rng rng_;
  std::vector<std::vector<std::int64_t>> by_class_;
  std::vector<std::int64_t> order_;  // of the current pass
  std::size_t position_ = 0;
};

}  // namespace experiments
