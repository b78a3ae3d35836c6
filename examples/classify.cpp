// Loads a model file without knowing its architecture, classifies images, and draws each with the
// probabilities of its classes.
//
//   classify model.lamina t10k-images-idx3-ubyte --labels t10k-labels-idx1-ubyte --count 3
//   classify model.lamina seven.pgm
#include <fmt/core.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdlib>
#include <lamina/lamina.hpp>
#include <numeric>
#include <string_view>

using namespace lamina;

namespace {

struct Arguments {
  std::string model;
  std::vector<std::string> images;
  std::string labels;
  std::string drawing = "auto";
  std::int64_t first = 0;
  std::int64_t count = 10;
  bool invert = false;
};

// How an image is drawn: two rows of pixels to a line of characters.
enum class Drawing { colors, blocks, ascii };

bool terminal_speaks_utf8() {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    const char* value = std::getenv(name);
    if (!value || !*value) continue;
    const std::string_view locale(value);
    return locale.find("UTF-8") != std::string_view::npos ||
           locale.find("utf8") != std::string_view::npos;
  }
  return false;
}

Drawing drawing_of(const std::string& name) {
  if (name == "colors") return Drawing::colors;
  if (name == "blocks") return Drawing::blocks;
  if (name == "ascii" || !terminal_speaks_utf8()) return Drawing::ascii;
  return isatty(STDOUT_FILENO) && !std::getenv("NO_COLOR") ? Drawing::colors : Drawing::blocks;
}

std::string two_pixels(int upper, int lower, Drawing drawing) {
  switch (drawing) {
    case Drawing::colors: {  // the 24 greys of the 256 colors
      const auto grey = [](int value) { return 232 + value * 23 / 255; };
      return fmt::format("\033[38;5;{};48;5;{}m\u2580", grey(upper), grey(lower));
    }
    case Drawing::blocks: {
      constexpr const char* kBlocks[] = {" ", "\u2584", "\u2580", "\u2588"};
      return kBlocks[2 * (upper >= 96) + (lower >= 96)];
    }
    case Drawing::ascii: {
      constexpr std::string_view kRamp = " .:-=+*#%@";
      return std::string(1, kRamp[static_cast<std::size_t>((upper + lower) / 2 * 9 / 255)]);
    }
  }
  return {};
}

std::vector<std::string> drawn(const Tensor<std::uint8_t>& image, Drawing drawing) {
  const std::int64_t height = image.shape()[0], width = image.shape()[1];
  const auto pixel = [&](std::int64_t y, std::int64_t x) -> int {
    return y < height ? image.data()[y * width + x] : 0;
  };
  std::vector<std::string> lines;
  for (std::int64_t y = 0; y < height; y += 2) {
    std::string line;
    for (std::int64_t x = 0; x < width; ++x)
      line += two_pixels(pixel(y, x), pixel(y + 1, x), drawing);
    lines.push_back(line + (drawing == Drawing::colors ? "\033[0m" : ""));
  }
  return lines;
}

// The most probable first: "7  ##################   93.1 %".
std::vector<std::string> bars(const float* probabilities, std::int64_t classes, Drawing drawing) {
  constexpr int kWidth = 24;
  std::vector<std::int64_t> order(static_cast<std::size_t>(classes));
  std::iota(order.begin(), order.end(), std::int64_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::int64_t a, std::int64_t b) {
    return probabilities[a] > probabilities[b];
  });
  if (order.size() > 10) order.resize(10);
  const std::string mark = drawing == Drawing::ascii ? "#" : "\u2588";
  std::vector<std::string> lines;
  for (const std::int64_t c : order) {
    const auto length = static_cast<int>(probabilities[c] * kWidth + 0.5f);
    std::string bar;
    for (int i = 0; i < kWidth; ++i) bar += i < length ? mark : " ";
    lines.push_back(fmt::format("{:>3}  {} {:5.1f} %", c, bar, 100 * probabilities[c]));
  }
  return lines;
}

// (N, height, width) from any number of IDX and PGM files of one size.
Tensor<std::uint8_t> read_images(const std::vector<std::string>& paths) {
  std::vector<std::uint8_t> pixels;
  std::int64_t number = 0;
  Shape size;
  for (const std::string& path : paths) {
    const bool pgm = path.ends_with(".pgm");
    Tensor<std::uint8_t> images = pgm ? data::read_pgm(path) : data::read_idx(path);
    if (images.rank() == 2) images = images.reshaped({1, images.shape()[0], images.shape()[1]});
    if (images.rank() != 3) {
      throw DataError("classify",
                      "'" + path + "' must hold images; got shape " + images.shape().to_string());
    }
    const Shape its_size = images.shape().without(0);
    if (number > 0 && !(its_size == size)) {
      throw DataError("classify", "images must have one size; got " + its_size.to_string() +
                                      " in '" + path + "', expected " + size.to_string());
    }
    size = its_size;
    number += images.shape()[0];
    pixels.insert(pixels.end(), images.values().begin(), images.values().end());
  }
  return Tensor<std::uint8_t>({number, size[0], size[1]}, pixels);
}

Tensor<std::int64_t> read_labels(const std::string& path, std::int64_t number) {
  if (path.empty()) return Tensor<std::int64_t>({number}, -1);
  const Tensor<std::uint8_t> labels = data::read_idx(path);
  if (!(labels.shape() == Shape{number})) {
    throw DataError("classify", "'" + path + "' must hold one label per image; got shape " +
                                    labels.shape().to_string() + ", expected " +
                                    Shape{number}.to_string());
  }
  return labels.cast<std::int64_t>();
}

// A model may end in logits or in probabilities.
Tensor<float> probabilities_of(const Tensor<float>& output) {
  const std::int64_t classes = output.shape()[-1];
  bool already = true;
  for (std::int64_t row = 0; row < output.size() / classes && already; ++row) {
    const float* first = output.data() + row * classes;
    const double sum = std::accumulate(first, first + classes, 0.0);
    already = std::abs(sum - 1) < 1e-3 && *std::min_element(first, first + classes) >= 0;
  }
  return already ? output : softmax(Variable<float>(output), {-1}).value();
}

void show(const Tensor<std::uint8_t>& image, const float* probabilities, std::int64_t classes,
          std::int64_t number, std::int64_t label, Drawing drawing) {
  const std::int64_t best =
      std::max_element(probabilities, probabilities + classes) - probabilities;
  fmt::print("image {}: {}", number, best);
  if (label == best) fmt::print(", right");
  if (label >= 0 && label != best) fmt::print(", wrong: it is {}", label);
  fmt::print("\n");
  const auto left = drawn(image, drawing);
  const auto right = bars(probabilities, classes, drawing);
  const std::size_t offset = left.size() > right.size() ? (left.size() - right.size()) / 2 : 0;
  for (std::size_t i = 0; i < std::max(left.size(), right.size()); ++i) {
    const std::string blank(static_cast<std::size_t>(image.shape()[1]), ' ');
    const bool bar = i >= offset && i - offset < right.size();
    fmt::print("{}  {}\n", i < left.size() ? left[i] : blank, bar ? right[i - offset] : "");
  }
}

int run(const Arguments& arguments) {
  Tensor<std::uint8_t> images = read_images(arguments.images);
  const Tensor<std::int64_t> labels = read_labels(arguments.labels, images.shape()[0]);
  if (arguments.invert) {
    for (std::uint8_t& value : images.mutable_values())
      value = static_cast<std::uint8_t>(255 - value);
  }
  const std::int64_t height = images.shape()[1], width = images.shape()[2];
  const std::int64_t first = std::min(arguments.first, images.shape()[0]);
  const std::int64_t last = std::min(first + arguments.count, images.shape()[0]);
  if (first == last)
    throw DataError("classify", "there must be images to classify; got none in this range");

  const ModulePointer<float> model = load_model<float>(arguments.model);
  const Dataset chosen =
      Dataset(images.reshaped({-1, height, width, 1}), labels).slice(first, last);
  const Module<float>& net = *model;
  PrintedWarnings warnings;  // of statistics that were never trained
  auto ctx = Context<float>::for_inference();
  ctx.warn = &warnings;
  const Tensor<float> output = net(chosen.batch<float>(0, chosen.size()).features, ctx).value();
  if (output.rank() != 2) {
    throw ShapeError("classify", "the model must give one row of classes per image; got " +
                                     output.shape().to_string());
  }
  const Tensor<float> probabilities = probabilities_of(output);
  const std::int64_t classes = probabilities.shape()[1];
  const Drawing drawing = drawing_of(arguments.drawing);
  std::int64_t right = 0;
  for (std::int64_t i = 0; i < chosen.size(); ++i) {
    const float* row = probabilities.data() + i * classes;
    const std::span<const std::uint8_t> pixels(images.data() + (first + i) * height * width,
                                               static_cast<std::size_t>(height * width));
    const std::int64_t label = labels.at({first + i});
    show(Tensor<std::uint8_t>({height, width}, pixels), row, classes, first + i, label, drawing);
    right += std::max_element(row, row + classes) - row == label;
  }
  if (!arguments.labels.empty()) fmt::print("right: {} of {}\n", right, chosen.size());
  return 0;
}

}  // namespace

int main(int count, char** values) {
  CLI::App app("Classifies images with a model file, and draws them");
  Arguments arguments;
  app.add_option("model", arguments.model, "model file, written by save_model")->required();
  app.add_option("images", arguments.images, "images: IDX (plain or .gz) or .pgm")->required();
  app.add_option("--labels", arguments.labels, "IDX file with the right classes");
  app.add_option("--first", arguments.first, "number of the first image")
      ->check(CLI::NonNegativeNumber);
  app.add_option("--count", arguments.count, "how many images")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--draw", arguments.drawing)
      ->check(CLI::IsMember({"auto", "colors", "blocks", "ascii"}))
      ->capture_default_str();
  app.add_flag("--invert", arguments.invert, "for images that are black on white");
  CLI11_PARSE(app, count, values);
  try {
    return run(arguments);
  } catch (const Error& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}
