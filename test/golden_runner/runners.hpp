// The runners of golden_test: each reads one file of golden vectors and reports every case in it.
#pragma once

#include <filesystem>

#include "support/golden.hpp"

namespace lamina::test {

// Every <case>.json of batch_normalization/, and _errors.json, _names.json, _regularization.json.
void run_batch_normalization(const std::filesystem::path& file, GoldenReport& report);
// pytorch.json and second_order.json of batch_normalization_torch/.
void run_batch_normalization_torch(const std::filesystem::path& file, GoldenReport& report);

// The file of the same name in nn/.
void run_layers(const std::filesystem::path& file, GoldenReport& report);
void run_activations(const std::filesystem::path& file, GoldenReport& report);
void run_losses(const std::filesystem::path& file, GoldenReport& report);
void run_optimizers(const std::filesystem::path& file, GoldenReport& report);
void run_schedules(const std::filesystem::path& file, GoldenReport& report);
void run_regularizers_constraints(const std::filesystem::path& file, GoldenReport& report);
void run_initializers(const std::filesystem::path& file, GoldenReport& report);
void run_ops(const std::filesystem::path& file, GoldenReport& report);
void run_training(const std::filesystem::path& file, GoldenReport& report);

}  // namespace lamina::test
