// DataLoader: the batches of a data set, epoch after epoch.
//
//   DataLoader<float> loader(mnist.train, {.batch_size = 128, .shuffle = true, .seed = 42});
//   for (int epoch = 0; epoch < 5; ++epoch) {
//     for (auto [x, y] : loader) { ... }                  // x (B, 28, 28, 1), y (B)
//   }
//
// begin() starts a pass over the current epoch; a pass that runs to its end makes the next epoch
// current. A pass left early does not: the next one starts at the beginning of the same epoch.
//
// The order of an epoch is a function of (seed, epoch) alone, so a run resumes exactly:
//   loader.set_epoch(saved_epoch);  loader.skip(saved_position);
// where position() counts the batches given out in the current pass, skipped ones included.
//
// With prefetch > 0 one thread of the loader's own prepares up to that many batches ahead; the
// batches are the same. What it throws arrives in the consumer at the batch concerned; ++ then asks
// for that batch again, and the rest of the pass is made without the thread. Batches are allocated
// and freed by the consuming thread, so that the allocator's lists stay balanced.
//
// Errors: ArgumentError for batch_size < 1, prefetch < 0, a negative epoch, a skip outside
// [0, batches()]; DataError when drop_last leaves no batch.
// Thread-safety: one thread uses a loader, and one pass is alive at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <iterator>
#include <lamina/autograd/tensor/random.hpp>
#include <lamina/data/dataset.hpp>
#include <memory>

namespace lamina {

struct DataLoaderOptions {
  std::int64_t batch_size = 32;
  bool shuffle = false;
  std::uint64_t seed = 0;     // of the shuffling and of the transform's random numbers
  bool drop_last = false;     // whether a last batch of fewer examples is left out
  std::int64_t prefetch = 2;  // batches prepared ahead
};

template <Scalar T>
class DataLoader {
 public:
  // Changes a batch before it is given out, on the prefetching thread. The stream is keyed by
  // (seed, position of the batch) and stepped by the epoch, whatever the prefetching.
  using Transform = std::function<void(Batch<T>&, const RandomStream&)>;

  class Iterator;

  explicit DataLoader(Dataset dataset, const DataLoaderOptions& options = {});
  DataLoader(DataLoader&&) noexcept;
  DataLoader& operator=(DataLoader&&) noexcept;
  ~DataLoader();

  const Dataset& dataset() const noexcept { return dataset_; }
  const DataLoaderOptions& options() const noexcept { return options_; }

  std::int64_t batches() const noexcept;  // in one epoch
  std::int64_t epoch() const noexcept { return epoch_; }
  std::int64_t position() const noexcept { return position_; }

  // Both end a pass that is going on. skip counts from the beginning of the epoch and holds for the
  // next pass only.
  void set_epoch(std::int64_t epoch);
  void skip(std::int64_t batches);

  // For the next pass on.
  void set_transform(Transform transform) { transform_ = std::move(transform); }

  Iterator begin();
  std::default_sentinel_t end() const noexcept { return {}; }

 private:
  class Pass;

  bool next(Batch<T>& batch);

  Dataset dataset_;
  DataLoaderOptions options_;
  Transform transform_;
  std::int64_t epoch_ = 0;
  std::int64_t position_ = 0;
  std::int64_t skip_ = 0;
  std::unique_ptr<Pass> pass_;
};

template <Scalar T>
class DataLoader<T>::Iterator {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = Batch<T>;
  using difference_type = std::ptrdiff_t;
  using pointer = const Batch<T>*;
  using reference = const Batch<T>&;

  reference operator*() const noexcept { return batch_; }
  pointer operator->() const noexcept { return &batch_; }
  Iterator& operator++() {
    more_ = loader_->next(batch_);
    return *this;
  }
  void operator++(int) { ++*this; }
  bool operator==(std::default_sentinel_t) const noexcept { return !more_; }

 private:
  friend class DataLoader;
  explicit Iterator(DataLoader& loader) : loader_(&loader) { ++*this; }

  DataLoader* loader_;
  Batch<T> batch_;
  bool more_ = false;
};

extern template class DataLoader<float>;
extern template class DataLoader<double>;

}  // namespace lamina
