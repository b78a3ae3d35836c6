#include <algorithm>
#include <condition_variable>
#include <exception>
#include <lamina/autograd/tensor/error.hpp>
#include <lamina/data/data_loader.hpp>
#include <mutex>
#include <numeric>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace lamina {
namespace {

std::vector<std::int64_t> order_of_epoch(std::int64_t size, const DataLoaderOptions& options,
                                         std::int64_t epoch) {
  if (options.shuffle) return Rng(options.seed).stream("data.shuffle", epoch).permutation(size);
  std::vector<std::int64_t> order(static_cast<std::size_t>(size));
  std::iota(order.begin(), order.end(), std::int64_t{0});
  return order;
}

void require_options(const Dataset& dataset, const DataLoaderOptions& options) {
  if (options.batch_size < 1) {
    throw ArgumentError("data_loader",
                        "batch_size must be at least 1; got " + std::to_string(options.batch_size));
  }
  if (options.prefetch < 0) {
    throw ArgumentError("data_loader",
                        "prefetch must not be negative; got " + std::to_string(options.prefetch));
  }
  if (options.drop_last && dataset.size() < options.batch_size) {
    throw DataError("data_loader", "with drop_last the data set must fill a batch; got " +
                                       std::to_string(dataset.size()) + " examples, expected " +
                                       std::to_string(options.batch_size) + " or more");
  }
}

}  // namespace

// One pass over one epoch. Batch k lives in slot k % slots; the producer fills the slots of the
// batches [produced, consumed + slots), which the consumer does not touch.
template <Scalar T>
class DataLoader<T>::Pass {
 public:
  Pass(const DataLoader& loader, std::int64_t first)
      : dataset_(loader.dataset_),
        options_(loader.options_),
        transform_(loader.transform_),
        epoch_(loader.epoch_),
        batches_(loader.batches()),
        order_(order_of_epoch(dataset_.size(), options_, epoch_)),
        produced_(first),
        consumed_(first) {
    const std::int64_t slots = std::min(options_.prefetch, batches_ - first);
    for (std::int64_t k = first; k < first + slots; ++k) slots_.push_back(blank(k));
    std::rotate(slots_.rbegin(), slots_.rbegin() + (slots > 0 ? first % slots : 0), slots_.rend());
    if (slots > 0) start();
  }
  ~Pass() {
    if (!producer_.joinable()) return;
    {
      std::lock_guard lock(mutex_);
      stop_ = true;
    }
    room_.notify_one();
    producer_.join();
  }
  Pass(const Pass&) = delete;
  Pass& operator=(const Pass&) = delete;

  bool finished() const noexcept { return consumed_ == batches_; }

  Batch<T> next() {
    if (!producer_.joinable()) {
      Batch<T> batch = blank(consumed_);
      fill(consumed_, batch);
      ++consumed_;
      return batch;
    }
    Batch<T>& slot = slot_of(consumed_);
    std::unique_lock lock(mutex_);
    ready_.wait(lock, [&] { return produced_ > consumed_ || error_; });
    const bool failed = produced_ == consumed_;
    lock.unlock();
    if (failed) {
      producer_.join();  // whoever goes on asks for the batch again
      std::rethrow_exception(error_);
    }
    const std::int64_t later = consumed_ + static_cast<std::int64_t>(slots_.size());
    Batch<T> batch = std::exchange(slot, later < batches_ ? blank(later) : Batch<T>());
    {
      std::lock_guard lock(mutex_);
      ++consumed_;
    }
    room_.notify_one();
    return batch;
  }

 private:
  void start() {
    try {
      producer_ = std::thread([this] { produce(); });
    } catch (const std::system_error&) {
      // Without a thread to spare the batches are made when they are asked for.
    }
  }

  void produce() {
    for (std::int64_t k = produced_; k < batches_; ++k) {
      {
        std::unique_lock lock(mutex_);
        room_.wait(lock, [&] {
          return stop_ || k < consumed_ + static_cast<std::int64_t>(slots_.size());
        });
        if (stop_) return;
      }
      std::exception_ptr error;
      try {
        fill(k, slot_of(k));
      } catch (...) {
        error = std::current_exception();
      }
      const bool failed = error != nullptr;
      {
        std::lock_guard lock(mutex_);
        if (failed) {
          error_ = std::move(error);
        } else {
          produced_ = k + 1;
        }
      }
      ready_.notify_one();
      if (failed) return;
    }
  }

  Batch<T>& slot_of(std::int64_t k) { return slots_[static_cast<std::size_t>(k) % slots_.size()]; }
  std::span<const std::int64_t> indices_of(std::int64_t k) const {
    const std::int64_t first = k * options_.batch_size;
    const std::int64_t count = std::min(options_.batch_size, dataset_.size() - first);
    return std::span(order_).subspan(static_cast<std::size_t>(first),
                                     static_cast<std::size_t>(count));
  }
  Batch<T> blank(std::int64_t k) const {
    return dataset_.blank_batch<T>(static_cast<std::int64_t>(indices_of(k).size()));
  }
  void fill(std::int64_t k, Batch<T>& batch) const {
    dataset_.write_batch(indices_of(k), batch);
    if (!transform_) return;
    transform_(batch, Rng(options_.seed).stream("data.transform." + std::to_string(k), epoch_));
  }

  const Dataset dataset_;
  const DataLoaderOptions options_;
  const Transform transform_;
  const std::int64_t epoch_;
  const std::int64_t batches_;
  const std::vector<std::int64_t> order_;
  std::vector<Batch<T>> slots_;

  std::mutex mutex_;
  std::condition_variable ready_, room_;
  std::int64_t produced_, consumed_;
  bool stop_ = false;
  std::exception_ptr error_;
  std::thread producer_;
};

template <Scalar T>
DataLoader<T>::DataLoader(Dataset dataset, const DataLoaderOptions& options)
    : dataset_(std::move(dataset)), options_(options) {
  require_options(dataset_, options_);
}
template <Scalar T>
DataLoader<T>::DataLoader(DataLoader&&) noexcept = default;
template <Scalar T>
DataLoader<T>& DataLoader<T>::operator=(DataLoader&&) noexcept = default;
template <Scalar T>
DataLoader<T>::~DataLoader() = default;

template <Scalar T>
std::int64_t DataLoader<T>::batches() const noexcept {
  const std::int64_t whole = dataset_.size() / options_.batch_size;
  const bool rest = dataset_.size() % options_.batch_size != 0;
  return whole + (rest && !options_.drop_last ? 1 : 0);
}

template <Scalar T>
void DataLoader<T>::set_epoch(std::int64_t epoch) {
  if (epoch < 0) {
    throw ArgumentError("data_loader",
                        "the epoch must not be negative; got " + std::to_string(epoch));
  }
  pass_.reset();
  epoch_ = epoch;
  position_ = 0;
  skip_ = 0;
}

template <Scalar T>
void DataLoader<T>::skip(std::int64_t batches) {
  if (batches < 0 || batches > this->batches()) {
    throw ArgumentError("data_loader", "the batches to skip must lie in [0, " +
                                           std::to_string(this->batches()) + "]; got " +
                                           std::to_string(batches));
  }
  pass_.reset();
  position_ = 0;
  skip_ = batches;
}

template <Scalar T>
auto DataLoader<T>::begin() -> Iterator {
  pass_.reset();
  position_ = skip_;
  pass_ = std::make_unique<Pass>(*this, position_);
  Iterator first(*this);
  skip_ = 0;  // kept where the first batch throws
  return first;
}

template <Scalar T>
bool DataLoader<T>::next(Batch<T>& batch) {
  batch = Batch<T>();  // given back before the next one is asked for
  if (!pass_) return false;
  if (pass_->finished()) {
    pass_.reset();
    ++epoch_;
    position_ = 0;
    return false;
  }
  batch = pass_->next();
  ++position_;
  return true;
}

template class DataLoader<float>;
template class DataLoader<double>;

}  // namespace lamina
