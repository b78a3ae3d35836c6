// Ctrl-C during fit(): the run ends cleanly, and the former handler is back.
#include <boost/test/unit_test.hpp>
#include <csignal>

#include "training/support.hpp"

using namespace lamina;
using namespace lamina::test;

BOOST_AUTO_TEST_CASE(control_c_ends_the_run_after_the_step_and_gives_the_handler_back) {
  auto net = small_net<float>();
  Trainer<float> trainer(net, usual());
  struct sigaction before {
  }, during{}, after{};
  sigaction(SIGINT, nullptr, &before);
  std::int64_t steps = 0;
  const History history =
      trainer.fit(three_blobs(64, 1),
                  {.epochs = 5, .batch_size = 16, .callbacks = {on_step_end([&](TrainingRun& run) {
                                                    ++steps;
                                                    sigaction(SIGINT, nullptr, &during);
                                                    if (run.epoch == 1 && run.step == 2)
                                                      std::raise(SIGINT);
                                                  })}});
  sigaction(SIGINT, nullptr, &after);
  BOOST_TEST(history.interrupted);
  BOOST_TEST(history.epochs() == 1);
  BOOST_TEST(steps == 6);
  BOOST_TEST((during.sa_handler != before.sa_handler));
  BOOST_TEST((after.sa_handler == before.sa_handler));

  const History again = trainer.fit(three_blobs(64, 1), {.batch_size = 16});
  BOOST_TEST(!again.interrupted);
}

BOOST_AUTO_TEST_CASE(control_c_is_left_alone_where_it_is_ignored_or_not_wanted) {
  auto net = small_net<float>();
  Trainer<float> trainer(net, usual());
  struct sigaction former {};
  struct sigaction ignored {};
  ignored.sa_handler = SIG_IGN;
  sigaction(SIGINT, &ignored, &former);
  const FitOptions options{.batch_size = 16,
                           .callbacks = {on_step_end([](TrainingRun&) { std::raise(SIGINT); })}};
  BOOST_TEST(!trainer.fit(three_blobs(64, 1), options).interrupted);
  FitOptions unhandled = options;
  unhandled.handle_interrupt = false;
  BOOST_TEST(!trainer.fit(three_blobs(64, 1), unhandled).interrupted);
  sigaction(SIGINT, &former, nullptr);
}

BOOST_AUTO_TEST_CASE(the_handler_returns_when_fit_throws) {
  auto net = small_net<float>();
  Trainer<float> trainer(net, usual());
  struct sigaction before {
  }, after{};
  sigaction(SIGINT, nullptr, &before);
  BOOST_CHECK_THROW(trainer.fit(three_blobs(64, 1), {.callbacks = {on_step_end([](TrainingRun&) {
                                                       throw StateError("test", "end");
                                                     })}}),
                    StateError);
  sigaction(SIGINT, nullptr, &after);
  BOOST_TEST((after.sa_handler == before.sa_handler));
}
