#include <boost/test/unit_test.hpp>
#include <lamina/lamina.hpp>
#include <memory>
#include <thread>

namespace lamina::test {
namespace {

// A file without a name, and what was written into it.
struct Output {
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file{std::tmpfile(), std::fclose};

  std::string text() {
    std::rewind(file.get());
    std::string result;
    for (int c; (c = std::fgetc(file.get())) != EOF;) result += static_cast<char>(c);
    return result;
  }
};

BOOST_AUTO_TEST_SUITE(printed_warnings)

BOOST_AUTO_TEST_CASE(each_is_written_once) {
  Output output;
  PrintedWarnings warnings(output.file.get());
  for (int i = 0; i < 3; ++i) {
    warnings.warn("block.bn", "something is rarely meant");
    warnings.warn("block.bn", "something else");
    warnings.warn("bn", "something else");
    warnings.warn("", "the root");
  }
  BOOST_TEST(output.text() ==
             "warning: [block.bn] something is rarely meant\n"
             "warning: [block.bn] something else\n"
             "warning: [bn] something else\n"
             "warning: the root\n");
}

BOOST_AUTO_TEST_CASE(threads_may_share_one) {
  Output output;
  PrintedWarnings warnings(output.file.get());
  std::vector<std::thread> workers;
  for (int worker = 0; worker < 4; ++worker) {
    workers.emplace_back([&] {
      for (int i = 0; i < 100; ++i) warnings.warn("bn", std::to_string(i));
    });
  }
  for (auto& worker : workers) worker.join();
  const std::string text = output.text();
  BOOST_TEST(std::count(text.begin(), text.end(), '\n') == 100);
}

BOOST_AUTO_TEST_CASE(inference_by_statistics_never_updated_is_written) {
  Output output;
  PrintedWarnings warnings(output.file.get());
  Sequential<float> block, net;
  block.add<BatchNormalization>({.name = "bn"});
  net.append(ModulePointer<float>(std::move(block)), "block1");
  Rng rng(1);
  const auto x = Tensor<float>::ones({2, 3});
  net(x, {.updates = StateUpdates::discard, .rng = &rng});
  auto ctx = Context<float>::for_inference();
  ctx.warn = &warnings;
  net(x, ctx);
  net(x, ctx);
  BOOST_TEST(
      output.text() ==
      "warning: [block1.bn] normalizing by moving statistics that no training has updated\n");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace lamina::test
