#include <boost/test/unit_test.hpp>
#include <cmath>
#include <lamina/autograd/tensor/error.hpp>
#include <lamina/data/dataset.hpp>
#include <string>
#include <vector>

#include "support/refusal.hpp"

using namespace lamina;
using namespace lamina::test;

namespace {

// Example i of width 2x3 holds 10 i, 10 i + 1, ...; its label is i % 3.
Dataset example_dataset(std::int64_t size = 5, const PixelScaling& scaling = {}) {
  auto features = Tensor<std::uint8_t>::uninitialized({size, 2, 3});
  auto labels = Tensor<std::int64_t>::uninitialized({size});
  for (std::int64_t i = 0; i < size; ++i) {
    for (std::int64_t j = 0; j < 6; ++j) {
      features.mutable_data()[6 * i + j] = static_cast<std::uint8_t>(10 * i + j);
    }
    labels.mutable_data()[i] = i % 3;
  }
  return Dataset(features, labels, scaling);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(datasets)

BOOST_AUTO_TEST_CASE(shapes_labels_and_classes_are_told) {
  const Dataset dataset = example_dataset();
  BOOST_TEST(dataset.size() == 5);
  BOOST_TEST(dataset.example_shape().to_string() == "(2, 3)");
  BOOST_TEST(dataset.classes() == 3);
  BOOST_TEST(
      Dataset(Tensor<float>(Shape{2}, 0.0f), Tensor<std::int64_t>(Shape{2}, -100)).classes() == 0);
  BOOST_TEST(Dataset(Tensor<float>(Shape{2}, 0.0f), Tensor<std::int64_t>(Shape{2}, 6)).classes() ==
             7);
}

BOOST_AUTO_TEST_CASE(pixels_are_converted_per_batch) {
  const Dataset dataset = example_dataset(5, {.divisor = 200, .mean = 0.25, .deviation = 0.5});
  const Batch<double> batch = dataset.batch<double>(1, 4);
  BOOST_TEST(batch.features.shape().to_string() == "(3, 2, 3)");
  BOOST_TEST(batch.labels.shape().to_string() == "(3)");
  for (std::int64_t i = 0; i < 3; ++i) {
    BOOST_TEST(batch.labels.at({i}) == (i + 1) % 3);
    for (std::int64_t j = 0; j < 6; ++j) {
      const double pixel = static_cast<double>(10 * (i + 1) + j);
      BOOST_TEST(batch.features.at({i, j / 3, j % 3}) == (pixel / 200 - 0.25) / 0.5);
    }
  }
}

BOOST_AUTO_TEST_CASE(the_default_maps_pixels_to_zero_and_one) {
  const Dataset dataset(Tensor<std::uint8_t>({3, 1}, {0, 51, 255}),
                        Tensor<std::int64_t>({3}, {0, 1, 2}));
  const Batch<float> batch = dataset.batch<float>(0, 3);
  BOOST_TEST(identical(batch.features, Tensor<float>({3, 1}, {0.0f, 0.2f, 1.0f})));
  const Batch<float> scaled = dataset.scaled({.divisor = 51}).batch<float>(0, 3);
  BOOST_TEST(identical(scaled.features, Tensor<float>({3, 1}, {0.0f, 1.0f, 5.0f})));
  BOOST_TEST(identical(dataset.batch<float>(0, 3).features, batch.features));
}

BOOST_AUTO_TEST_CASE(floating_features_are_only_cast) {
  const Tensor<double> values({3, 2}, {0.1, 0.2, 300, -4, 5, 6});
  const Dataset dataset(values, Tensor<std::int64_t>({3}, {0, 1, 0}), {.divisor = 7});
  BOOST_TEST(identical(dataset.batch<double>(0, 3).features, values));
  BOOST_TEST(identical(dataset.batch<float>(0, 3).features, values.cast<float>()));
  const Dataset narrow(values.cast<float>(), Tensor<std::int64_t>({3}, {0, 1, 0}));
  BOOST_TEST(identical(narrow.batch<double>(0, 3).features, values.cast<float>().cast<double>()));
}

BOOST_AUTO_TEST_CASE(slices_and_subsets_hold_the_rows_asked_for) {
  const Dataset dataset = example_dataset(7, {.divisor = 1});
  const Dataset slice = dataset.slice(2, 5);
  BOOST_TEST(slice.size() == 3);
  BOOST_TEST(identical(slice.batch<float>(0, 3).features, dataset.batch<float>(2, 5).features));
  BOOST_TEST(identical(slice.labels(), Tensor<std::int64_t>({3}, {2, 0, 1})));
  const std::vector<std::int64_t> indices{6, 0, 0, 3};
  const Dataset subset = dataset.subset(indices);
  BOOST_TEST(identical(subset.batch<float>(0, 4).features, dataset.batch<float>(indices).features));
  BOOST_TEST(subset.batch<float>(0, 4).features.at({0, 1, 2}) == 65.0f);
  BOOST_TEST(subset.batch<float>(0, 4).features.at({3, 0, 0}) == 30.0f);
  BOOST_TEST(identical(subset.labels(), Tensor<std::int64_t>({4}, {0, 0, 0, 0})));
}

BOOST_AUTO_TEST_CASE(copies_do_not_share_changes) {
  Tensor<std::uint8_t> features({2, 1}, {1, 2});
  const Dataset dataset(features, Tensor<std::int64_t>({2}, {0, 1}), {.divisor = 1});
  features.set({0, 0}, 99);
  BOOST_TEST(dataset.batch<float>(0, 1).features.item() == 1.0f);
}

BOOST_AUTO_TEST_CASE(an_empty_batch_has_no_rows) {
  const Batch<float> batch = example_dataset().batch<float>(2, 2);
  BOOST_TEST(batch.features.shape().to_string() == "(0, 2, 3)");
  BOOST_TEST(batch.labels.shape().to_string() == "(0)");
}

BOOST_AUTO_TEST_CASE(malformed_data_sets_are_refused) {
  const Tensor<std::int64_t> two({2}, {0, 1});
  refuses<DataError>("[dataset] features must have an axis of examples; got shape ()",
                     [&] { Dataset(Tensor<float>::scalar(1), two); });
  refuses<DataError>(
      "[dataset] a data set must hold at least one example; got features (0, 28, 28)", [&] {
        Dataset(Tensor<std::uint8_t>(Shape{0, 28, 28}, 0), two);
      });
  refuses<DataError>("[dataset] a data set must hold at least one example; got features (0)",
                     [&] { Dataset(Tensor<float>(), Tensor<std::int64_t>()); });
  refuses<DataError>(
      "[dataset] labels must be one per example; got labels (2) for features (3, 4), expected (3)",
      [&] {
        Dataset(Tensor<float>(Shape{3, 4}, 0), two);
      });
  refuses<DataError>(
      "[dataset] labels must be one per example; got labels (2, 1) for features (2, 4), expected "
      "(2)",
      [&] {
        Dataset(Tensor<float>(Shape{2, 4}, 0), two.reshaped({2, 1}));
      });
  refuses<DataError>("[dataset] a data set must hold at least one example; got features (0, 2, 3)",
                     [&] { example_dataset().slice(2, 2); });
}

BOOST_AUTO_TEST_CASE(bad_arguments_are_refused) {
  const Dataset dataset = example_dataset();
  refuses<ArgumentError>(
      "[dataset] a range must lie inside the data set; got [3, 6), expected inside [0, 5)",
      [&] { dataset.slice(3, 6); });
  refuses<ArgumentError>(
      "[dataset] a range must lie inside the data set; got [3, 2), expected inside [0, 5)",
      [&] { dataset.batch<float>(3, 2); });
  refuses<ArgumentError>(
      "[dataset] a range must lie inside the data set; got [-1, 2), expected inside [0, 5)",
      [&] { dataset.batch<float>(-1, 2); });
  refuses<ArgumentError>(
      "[dataset] indices must lie inside the data set; got 5, expected inside [0, 5)", [&] {
        dataset.subset(std::vector<std::int64_t>{0, 5});
      });
  refuses<ArgumentError>(
      "[dataset] indices must lie inside the data set; got -1, expected inside [0, 5)",
      [&] { dataset.batch<float>(std::vector<std::int64_t>{-1}); });
  refuses<ArgumentError>("[dataset] the scaling's divisor must be finite and above 0; got 0.000000",
                         [&] { dataset.scaled({.divisor = 0}); });
  refuses<ArgumentError>("[dataset] the scaling's deviation must be finite and above 0; got nan",
                         [&] { dataset.scaled({.deviation = std::nan("")}); });
  refuses<ArgumentError>("[dataset] the scaling's mean must be finite; got inf",
                         [&] { dataset.scaled({.mean = 1 / 0.0}); });
  Batch<float> wrong = dataset.blank_batch<float>(2);
  refuses<ShapeError>(
      "[dataset] the tensors to write must have the shapes of the batch; got (2, 2, 3) and (2), "
      "expected (1, 2, 3) and (1)",
      [&] { dataset.write_batch(std::vector<std::int64_t>{1}, wrong); });
}

BOOST_AUTO_TEST_SUITE_END()
