#include <boost/test/unit_test.hpp>
#include <examples/program.hpp>
#include <support/files.hpp>

using namespace lamina::test;

BOOST_AUTO_TEST_SUITE(small_examples)

BOOST_AUTO_TEST_CASE(custom_op) {
  const Finished finished = run_program("custom_op", {});
  BOOST_TEST(finished.status == 0);
  BOOST_TEST(contains(finished.output, "softsign: derivatives up to order 3 agree"));
  BOOST_TEST(contains(finished.output, "wrong_softsign: [gradient_check] derivatives must agree"));
  BOOST_TEST(contains(finished.output, "0.0800, expected 0.0800"));
}

BOOST_AUTO_TEST_CASE(compose_model) {
  const TemporaryFolder folder;
  const std::string model = (folder / "model.lamina").string();
  const Finished finished =
      run_program("compose_model", {"--model", model, "--epochs", "1", "--examples", "64"});
  BOOST_TEST(finished.status == 0, finished.output);
  BOOST_TEST(contains(finished.output, "epoch 1: loss "));
  BOOST_TEST(contains(finished.output, "reloaded: identical\n"));
  BOOST_TEST(
      contains(finished.output, "must hold only types that are registered; got 'residual_block'"));
  const Finished refused = run_program(
      "compose_model", {"--model", "/dev/full/model", "--epochs", "1", "--examples", "64"});
  BOOST_TEST(refused.status == 1);
  BOOST_TEST(contains(refused.output,
                      "[save_model] '/dev/full/model' must be written; got 'Not a "
                      "directory' from create"));
}

BOOST_AUTO_TEST_CASE(save_and_reload) {
  const TemporaryFolder folder;
  const Finished finished = run_program("save_and_reload", {"--folder", folder.path().string(),
                                                            "--epochs", "3", "--examples", "130"});
  BOOST_TEST(finished.status == 0, finished.output);
  BOOST_TEST(contains(finished.output, "saved after 1 of 3 epochs: "));
  BOOST_TEST(contains(finished.output, "resumed run: identical\n"));
  BOOST_TEST(contains(finished.output, "8 differences:\n  missing: dense.bias"));
}

BOOST_AUTO_TEST_CASE(update_ops) {
  const Finished finished = run_program("update_ops", {});
  BOOST_TEST(finished.status == 0);
  BOOST_TEST(contains(finished.output,
                      "updates applied: gamma 2.0, beta 1.0, moving_mean 5.0, moving_variance "));
  BOOST_TEST(contains(finished.output, "loss in inference 0.0\n"));
  BOOST_TEST(contains(finished.output,
                      "updates forgotten: gamma 2.0, beta 1.0, moving_mean 0.0, moving_variance "
                      "1.0; loss in inference 1"));
  BOOST_TEST(contains(finished.output, "warning: [bn] normalizing by moving statistics"));
}

BOOST_AUTO_TEST_SUITE_END()
