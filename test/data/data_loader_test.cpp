#include <atomic>
#include <boost/test/unit_test.hpp>
#include <chrono>
#include <lamina/autograd/tensor/allocator.hpp>
#include <lamina/autograd/tensor/error.hpp>
#include <lamina/data/data_loader.hpp>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "support/refusal.hpp"
#include "support/sanitizers.hpp"

using namespace lamina;
using namespace lamina::test;

namespace {

// The features and the label of example i are i.
Dataset counting(std::int64_t size) {
  auto features = Tensor<double>::uninitialized({size, 1});
  auto labels = Tensor<std::int64_t>::uninitialized({size});
  for (std::int64_t i = 0; i < size; ++i) {
    features.mutable_data()[i] = static_cast<double>(i);
    labels.mutable_data()[i] = i;
  }
  return Dataset(features, labels);
}

using Labels = std::vector<std::vector<std::int64_t>>;

template <Scalar T>
Labels pass(DataLoader<T>& loader) {
  Labels all;
  for (auto [x, y] : loader) {
    all.emplace_back(y.values().begin(), y.values().end());
    for (std::int64_t i = 0; i < y.size(); ++i) {
      if (x.data()[i] != static_cast<T>(y.data()[i])) BOOST_ERROR("features and labels disagree");
    }
  }
  return all;
}

std::vector<std::int64_t> joined(const Labels& batches) {
  std::vector<std::int64_t> all;
  for (const auto& batch : batches) all.insert(all.end(), batch.begin(), batch.end());
  return all;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(data_loaders)

BOOST_AUTO_TEST_CASE(batches_follow_the_order_of_the_data_set) {
  for (const std::int64_t prefetch : {0, 1, 2, 3, 100}) {
    DataLoader<float> loader(counting(7), {.batch_size = 3, .prefetch = prefetch});
    BOOST_TEST(loader.batches() == 3);
    BOOST_TEST((pass(loader) == Labels{{0, 1, 2}, {3, 4, 5}, {6}}));
    BOOST_TEST((pass(loader) == Labels{{0, 1, 2}, {3, 4, 5}, {6}}));
  }
}

BOOST_AUTO_TEST_CASE(the_last_batch_is_kept_or_dropped) {
  DataLoader<double> dropped(counting(7), {.batch_size = 3, .drop_last = true});
  BOOST_TEST(dropped.batches() == 2);
  BOOST_TEST((pass(dropped) == Labels{{0, 1, 2}, {3, 4, 5}}));
  DataLoader<double> even(counting(6), {.batch_size = 3, .drop_last = true});
  BOOST_TEST((pass(even) == Labels{{0, 1, 2}, {3, 4, 5}}));
  DataLoader<double> one(counting(2), {.batch_size = 1'000'000'000'000});
  BOOST_TEST((pass(one) == Labels{{0, 1}}));
}

BOOST_AUTO_TEST_CASE(shuffling_gives_every_example_once_in_another_order_each_epoch) {
  DataLoader<float> loader(counting(1009), {.batch_size = 32, .shuffle = true, .seed = 5});
  const auto first = joined(pass(loader)), second = joined(pass(loader));
  BOOST_TEST((first != second));
  BOOST_TEST(std::set(first.begin(), first.end()).size() == 1009u);
  BOOST_TEST(std::set(second.begin(), second.end()).size() == 1009u);
  DataLoader<float> other(counting(1009), {.batch_size = 32, .shuffle = true, .seed = 6});
  BOOST_TEST((joined(pass(other)) != first));
}

BOOST_AUTO_TEST_CASE(the_order_depends_on_seed_and_epoch_alone) {
  const auto order_of = [](std::int64_t epoch, std::int64_t batch, std::int64_t prefetch) {
    DataLoader<float> loader(
        counting(101), {.batch_size = batch, .shuffle = true, .seed = 9, .prefetch = prefetch});
    loader.set_epoch(epoch);
    return joined(pass(loader));
  };
  DataLoader<float> loader(counting(101), {.batch_size = 8, .shuffle = true, .seed = 9});
  for (std::int64_t epoch = 0; epoch < 3; ++epoch) {
    BOOST_TEST(loader.epoch() == epoch);
    const auto order = joined(pass(loader));
    BOOST_TEST((order == order_of(epoch, 8, 0)));
    BOOST_TEST((order == order_of(epoch, 13, 1)));
    BOOST_TEST((order == order_of(epoch, 101, 7)));
  }
}

BOOST_AUTO_TEST_CASE(a_resumed_pass_continues_exactly) {
  const DataLoaderOptions options{.batch_size = 4, .shuffle = true, .seed = 3};
  DataLoader<float> whole(counting(27), options);
  pass(whole);
  const Labels expected = pass(whole);
  const Labels following = pass(whole);
  for (std::int64_t done = 0; done <= 7; ++done) {
    for (const std::int64_t prefetch : {0, 1, 2, 3, 5}) {
      DataLoaderOptions resumed = options;
      resumed.prefetch = prefetch;
      DataLoader<float> loader(counting(27), resumed);
      loader.set_epoch(1);
      loader.skip(done);
      BOOST_TEST((pass(loader) == Labels(expected.begin() + done, expected.end())));
      BOOST_TEST(loader.epoch() == 2);
      BOOST_TEST((pass(loader) == following));
    }
  }
}

BOOST_AUTO_TEST_CASE(position_and_epoch_are_told_while_the_pass_goes_on) {
  DataLoader<float> loader(counting(10), {.batch_size = 4});
  std::int64_t expected = 0;
  for (auto [x, y] : loader) {
    BOOST_TEST(loader.position() == ++expected);
    BOOST_TEST(loader.epoch() == 0);
  }
  BOOST_TEST(expected == 3);
  BOOST_TEST(loader.position() == 0);
  BOOST_TEST(loader.epoch() == 1);
  loader.skip(2);
  for (auto [x, y] : loader) BOOST_TEST(loader.position() == 3);
  BOOST_TEST(loader.epoch() == 2);
}

BOOST_AUTO_TEST_CASE(a_pass_left_early_begins_again) {
  for (const std::int64_t prefetch : {0, 2}) {
    DataLoader<float> loader(counting(40),
                             {.batch_size = 4, .shuffle = true, .seed = 1, .prefetch = prefetch});
    std::vector<std::int64_t> first;
    for (int times = 0; times < 2; ++times) {
      for (const auto& batch : loader) {
        const std::vector<std::int64_t> labels(batch.labels.values().begin(),
                                               batch.labels.values().end());
        if (times == 0) first = labels;
        BOOST_TEST((labels == first));
        break;
      }
      BOOST_TEST(loader.epoch() == 0);
    }
    BOOST_TEST(pass(loader).size() == 10u);
  }
}

BOOST_AUTO_TEST_CASE(a_loader_may_be_destroyed_or_moved_in_the_middle_of_a_pass) {
  for (int trial = 0; trial < 50; ++trial) {
    DataLoader<float> loader(counting(64), {.batch_size = 2, .prefetch = 3});
    auto position = loader.begin();
    for (int i = 0; i < trial % 7; ++i) ++position;
  }
  DataLoader<float> loader(counting(6), {.batch_size = 2});
  loader.begin();
  DataLoader<float> moved = std::move(loader);
  BOOST_TEST((pass(moved) == Labels{{0, 1}, {2, 3}, {4, 5}}));
}

// The producer must never be more than `prefetch` batches ahead of what was given out.
BOOST_AUTO_TEST_CASE(prefetching_is_bounded_and_goes_ahead) {
  std::atomic<std::int64_t> made{0};
  DataLoader<float> loader(counting(30), {.batch_size = 1, .prefetch = 3});
  loader.set_transform([&](Batch<float>&, const RandomStream&) { ++made; });
  std::int64_t taken = 0;
  for (auto [x, y] : loader) {
    ++taken;
    const std::int64_t ahead = std::min<std::int64_t>(taken + 3, 30);
    for (int patience = 0; made < ahead && patience < 5000; ++patience) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    BOOST_TEST(made == ahead);
  }
  BOOST_TEST(taken == 30);
}

BOOST_AUTO_TEST_CASE(exceptions_arrive_at_their_batch_and_the_loader_lives_on) {
  for (const std::int64_t prefetch : {0, 1, 4}) {
    DataLoader<float> loader(counting(10), {.batch_size = 2, .prefetch = prefetch});
    loader.set_transform([](Batch<float>& batch, const RandomStream&) {
      if (batch.labels.data()[0] == 4) throw std::runtime_error("batch 2 is bad");
    });
    int seen = 0;
    const auto run = [&] {
      for (auto [x, y] : loader) ++seen;
    };
    BOOST_CHECK_EXCEPTION(run(), std::runtime_error, [](const std::exception& error) {
      return std::string(error.what()) == "batch 2 is bad";
    });
    BOOST_TEST(seen == 2);
    loader.set_transform(nullptr);
    BOOST_TEST(loader.epoch() == 0);
    BOOST_TEST(pass(loader).size() == 5u);
  }
}

BOOST_AUTO_TEST_CASE(what_was_to_be_skipped_is_skipped_after_an_exception) {
  for (const std::int64_t prefetch : {0, 1, 4}) {
    DataLoader<float> loader(counting(10), {.batch_size = 2, .prefetch = prefetch});
    std::atomic<int> failures{0};
    loader.set_transform([&](Batch<float>& batch, const RandomStream&) {
      if (batch.labels.data()[0] == 4 && failures++ == 0) throw std::runtime_error("for now");
    });
    loader.skip(2);
    BOOST_CHECK_THROW(loader.begin(), std::runtime_error);
    BOOST_TEST((pass(loader) == Labels{{4, 5}, {6, 7}, {8, 9}}));
    BOOST_TEST(pass(loader).size() == 5u);
  }
}

// As without prefetching: the batch is made again.
BOOST_AUTO_TEST_CASE(a_pass_may_go_on_after_an_exception) {
  for (const std::int64_t prefetch : {0, 1, 4}) {
    DataLoader<float> loader(counting(10), {.batch_size = 2, .prefetch = prefetch});
    std::atomic<int> failures{0};
    loader.set_transform([&](Batch<float>& batch, const RandomStream&) {
      if (batch.labels.data()[0] == 4 && failures++ < 2) throw std::runtime_error("for now");
    });
    std::vector<std::int64_t> labels;  // the first of every batch
    auto batches = loader.begin();
    while (batches != loader.end()) {
      labels.push_back(batches->labels.data()[0]);
      for (bool made = false; !made;) {
        try {
          ++batches;
          made = true;
        } catch (const std::runtime_error&) {
        }
      }
    }
    BOOST_TEST(labels == std::vector<std::int64_t>({0, 2, 4, 6, 8}),
               boost::test_tools::per_element());
    BOOST_TEST(failures == 3);
    BOOST_TEST(loader.epoch() == 1);
  }
}

BOOST_AUTO_TEST_CASE(transforms_draw_the_same_whatever_the_prefetching) {
  const auto run = [](std::int64_t prefetch) {
    DataLoader<double> loader(counting(20),
                              {.batch_size = 3, .shuffle = true, .seed = 4, .prefetch = prefetch});
    loader.set_transform([](Batch<double>& batch, const RandomStream& random) {
      const auto values = batch.features.mutable_values();
      for (std::size_t i = 0; i < values.size(); ++i) values[i] += random.uniform(i);
    });
    std::vector<double> all;
    for (int epoch = 0; epoch < 2; ++epoch) {
      for (auto [x, y] : loader) all.insert(all.end(), x.values().begin(), x.values().end());
    }
    return all;
  };
  const auto expected = run(0);
  BOOST_TEST(std::set(expected.begin(), expected.end()).size() == 40u);
  BOOST_TEST((run(1) == expected));
  BOOST_TEST((run(5) == expected));
}

// The labels are small and the features large: the two kinds of lists of the allocator.
BOOST_AUTO_TEST_CASE(in_the_steady_state_no_memory_is_asked_of_the_system) {
  const Dataset dataset(Tensor<std::uint8_t>(Shape{640, 28, 28, 1}, 7),
                        Tensor<std::int64_t>(Shape{640}, 1));
  DataLoader<float> loader(dataset, {.batch_size = 64, .shuffle = true});
  for (int epoch = 0; epoch < 2; ++epoch) {
    for (auto [x, y] : loader) BOOST_REQUIRE(x.data()[0] == 7 / 255.0f);
  }
  [[maybe_unused]] const auto before = memory_counters().system_allocations;
  for (int epoch = 0; epoch < 20; ++epoch) {
    for (auto [x, y] : loader) BOOST_REQUIRE(y.data()[0] == 1);
  }
  if (!kAddressSanitizer) BOOST_TEST(memory_counters().system_allocations == before);
}

BOOST_AUTO_TEST_CASE(bad_options_are_refused) {
  const auto make = [](const DataLoaderOptions& options) {
    return DataLoader<float>(counting(5), options);
  };
  refuses<ArgumentError>("[data_loader] batch_size must be at least 1; got 0",
                         [&] { make({.batch_size = 0}); });
  refuses<ArgumentError>("[data_loader] prefetch must not be negative; got -1",
                         [&] { make({.prefetch = -1}); });
  refuses<DataError>(
      "[data_loader] with drop_last the data set must fill a batch; got 5 examples, expected 6 or "
      "more",
      [&] { make({.batch_size = 6, .drop_last = true}); });
  auto loader = make({.batch_size = 2});
  refuses<ArgumentError>("[data_loader] the batches to skip must lie in [0, 3]; got 4",
                         [&] { loader.skip(4); });
  refuses<ArgumentError>("[data_loader] the batches to skip must lie in [0, 3]; got -1",
                         [&] { loader.skip(-1); });
  refuses<ArgumentError>("[data_loader] the epoch must not be negative; got -1",
                         [&] { loader.set_epoch(-1); });
}

BOOST_AUTO_TEST_SUITE_END()
