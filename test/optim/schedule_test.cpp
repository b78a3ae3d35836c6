#include <boost/test/unit_test.hpp>
#include <clocale>
#include <cmath>
#include <lamina/optim/schedule.hpp>
#include <limits>

#include "support/refusal.hpp"

using namespace lamina;
using lamina::test::refuses;

namespace {

const auto kTight = boost::test_tools::tolerance(1e-12);

void check_rejected(const std::string& text, const std::function<void()>& function) {
  refuses<ArgumentError>(text, function);
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_number_is_a_constant_schedule) {
  const Schedule schedule = 0.25;
  BOOST_TEST(schedule.is_constant());
  BOOST_TEST(schedule(0) == 0.25);
  BOOST_TEST(schedule(1000000) == 0.25);
}

BOOST_AUTO_TEST_CASE(exponential_decay_by_hand) {
  const Schedule smooth =
      exponential_decay({.initial_learning_rate = 0.8, .decay_steps = 4, .decay_rate = 0.25});
  BOOST_TEST(smooth(0) == 0.8, kTight);
  BOOST_TEST(smooth(2) == 0.4, kTight);
  BOOST_TEST(smooth(4) == 0.2, kTight);
  const Schedule stairs = exponential_decay(
      {.initial_learning_rate = 0.8, .decay_steps = 4, .decay_rate = 0.25, .staircase = true});
  BOOST_TEST(stairs(3) == 0.8, kTight);
  BOOST_TEST(stairs(4) == 0.2, kTight);
}

BOOST_AUTO_TEST_CASE(piecewise_constant_keeps_the_old_value_at_a_boundary) {
  const Schedule schedule = piecewise_constant({.boundaries = {3, 7}, .values = {0.5, 0.2, 0.1}});
  BOOST_TEST(schedule(3) == 0.5);
  BOOST_TEST(schedule(4) == 0.2);
  BOOST_TEST(schedule(7) == 0.2);
  BOOST_TEST(schedule(8) == 0.1);
  BOOST_TEST(schedule(1 << 30) == 0.1);
}

BOOST_AUTO_TEST_CASE(multi_step_decay_takes_the_new_value_at_a_milestone) {
  const Schedule schedule =
      multi_step_decay({.learning_rate = 0.8, .milestones = {2, 5}, .gamma = 0.5});
  BOOST_TEST(schedule(1) == 0.8, kTight);
  BOOST_TEST(schedule(2) == 0.4, kTight);
  BOOST_TEST(schedule(5) == 0.2, kTight);
}

BOOST_AUTO_TEST_CASE(cosine_decay_counts_after_the_warm_up_and_stays_at_its_end) {
  const Schedule schedule = cosine_decay({.initial_learning_rate = 0,
                                          .decay_steps = 10,
                                          .alpha = 0.1,
                                          .warmup_target = 0.4,
                                          .warmup_steps = 5});
  BOOST_TEST(schedule(0) == 0.0);
  BOOST_TEST(schedule(1) == 0.08, kTight);
  BOOST_TEST(schedule(5) == 0.4, kTight);
  BOOST_TEST(schedule(10) == 0.22, kTight);
  BOOST_TEST(schedule(15) == 0.04, kTight);
  BOOST_TEST(schedule(1000) == 0.04, kTight);
}

BOOST_AUTO_TEST_CASE(one_cycle_rises_to_the_top_and_falls) {
  const OneCycleOptions options{.max_learning_rate = 0.1,
                                .total_steps = 101,
                                .pct_start = 31.0 / 101,
                                .anneal = Anneal::linear,
                                .div_factor = 10,
                                .final_div_factor = 100};
  const Schedule rate = one_cycle(options);
  BOOST_TEST(rate(0) == 0.01, kTight);
  BOOST_TEST(rate(15) == 0.055, kTight);
  BOOST_TEST(rate(30) == 0.1, kTight);
  BOOST_TEST(rate(100) == 1e-4, kTight);
  BOOST_TEST(rate(500) == 1e-4, kTight);
  const Schedule momentum = one_cycle_momentum(options);
  BOOST_TEST(momentum(0) == 0.95, kTight);
  BOOST_TEST(momentum(30) == 0.85, kTight);
  BOOST_TEST(momentum(100) == 0.95, kTight);
}

BOOST_AUTO_TEST_CASE(one_cycle_of_a_single_step_is_its_end) {
  const Schedule rate = one_cycle({.max_learning_rate = 0.1, .total_steps = 1});
  BOOST_TEST(std::isfinite(rate(0)));
  BOOST_TEST(std::isfinite(rate(5)));
}

BOOST_AUTO_TEST_CASE(the_text_of_a_schedule_gives_it_back_in_any_locale) {
  const Schedule schedules[] = {
      0.1,
      exponential_decay({.initial_learning_rate = 0.1, .decay_rate = 1.0 / 3}),
      piecewise_constant({.boundaries = {3, 7}, .values = {0.5, 0.2, 1e-300}}),
      piecewise_constant({.boundaries = {}, .values = {0.5}}),
      polynomial_decay({.cycle = true}),
      cosine_decay({.warmup_target = 0.4, .warmup_steps = 5}),
      multi_step_decay({.milestones = {}}),
      one_cycle({.three_phase = true})};
  const std::string former = std::setlocale(LC_ALL, nullptr);
  for (const char* locale : {"C", "de_DE.UTF-8"}) {
    std::setlocale(LC_ALL, locale);
    for (const Schedule& schedule : schedules) {
      const Schedule again = Schedule::parse(schedule.to_string());
      BOOST_TEST((again == schedule), schedule.to_string());
      BOOST_TEST(again(5) == schedule(5));
    }
  }
  std::setlocale(LC_ALL, former.c_str());
}

BOOST_AUTO_TEST_CASE(a_text_that_is_no_schedule_is_refused) {
  for (const char* text : {"", "constant", "constant(", "constant()", "constant(1", "constant(1,)",
                           "constant(1 )", "constant(x)", "constant(1,2)", "custom()", "cosine(1)",
                           "piecewise_constant(1,2)", "(1)"}) {
    BOOST_CHECK_THROW(Schedule::parse(text), ArgumentError);
  }
  for (const char* text :
       {"constant(-1)", "constant(nan)", "constant(inf)", "polynomial_decay(0.1,0,0,1,0)",
        "linear_schedule(1,1,1,0.5)", "one_cycle(0,0.3,1,0,1,1,1)", "piecewise_constant(1,-1,1)"}) {
    BOOST_CHECK_THROW(Schedule::parse(text), ArgumentError);
  }
  check_rejected("[schedule] the text must read name(number,...); got 'constant(x)'",
                 [] { Schedule::parse("constant(x)"); });
  check_rejected("[schedule] the name must be that of a schedule of lamina; got 'unknown'",
                 [] { Schedule::parse("unknown(1)"); });
  check_rejected("[schedule] linear_schedule must have 4 numbers; got 1",
                 [] { Schedule::parse("linear_schedule(1)"); });
  check_rejected(
      "[schedule] piecewise_constant must have one more value than boundaries; got 2 numbers",
      [] { Schedule::parse("piecewise_constant(1,2)"); });
}

BOOST_AUTO_TEST_CASE(a_function_is_a_schedule_without_text) {
  const Schedule schedule([](std::int64_t step) { return 1.0 / static_cast<double>(step + 1); });
  BOOST_TEST(schedule(3) == 0.25);
  BOOST_TEST(schedule.to_string() == "custom()");
  check_rejected("[schedule] a custom schedule needs a function; got none",
                 [] { Schedule(std::function<double(std::int64_t)>()); });
}

BOOST_AUTO_TEST_CASE(numbers_outside_their_range_are_refused) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  check_rejected(
      "[exponential_decay] initial_learning_rate must be finite and at least 0; got -0.1",
      [] { exponential_decay({.initial_learning_rate = -0.1}); });
  check_rejected("[exponential_decay] decay_steps must be at least 1; got 0",
                 [] { exponential_decay({.decay_steps = 0}); });
  check_rejected("[inverse_time_decay] decay_rate must be finite and at least 0; got nan",
                 [&] { inverse_time_decay({.decay_rate = nan}); });
  check_rejected(
      "[piecewise_constant] there must be one more value than boundaries; got 2 values and 2 "
      "boundaries",
      [] {
        piecewise_constant({.boundaries = {1, 2}, .values = {1, 2}});
      });
  check_rejected(
      "[piecewise_constant] boundaries must be at least 0 and ascend; got 2 at position 1", [] {
        piecewise_constant({.boundaries = {2, 2}, .values = {1, 2, 3}});
      });
  check_rejected("[piecewise_constant] values must be finite and at least 0; got -2", [] {
    piecewise_constant({.boundaries = {1}, .values = {1, -2}});
  });
  check_rejected("[polynomial_decay] power must be finite and at least 0; got -1",
                 [] { polynomial_decay({.power = -1}); });
  check_rejected("[cosine_decay] warmup_steps must be at least 0; got -1",
                 [] { cosine_decay({.warmup_steps = -1}); });
  check_rejected("[cosine_decay] warmup_steps needs a warmup_target; got 5 steps without one",
                 [] { cosine_decay({.warmup_steps = 5}); });
  check_rejected("[step_decay] step_size must be at least 1; got -3",
                 [] { step_decay({.step_size = -3}); });
  check_rejected(
      "[multi_step_decay] milestones must be at least 0 and ascend; got -1 at position 0",
      [] { multi_step_decay({.milestones = {-1}}); });
  check_rejected("[linear_schedule] total_steps must be at least 1; got 0",
                 [] { linear_schedule({.total_steps = 0}); });
  check_rejected("[one_cycle] pct_start must lie in [0, 0.5]; got 0.7",
                 [] { one_cycle({.pct_start = 0.7, .three_phase = true}); });
  check_rejected("[one_cycle] div_factor must be finite and at least 1; got 0",
                 [] { one_cycle({.div_factor = 0}); });
  check_rejected("[one_cycle] base_momentum and max_momentum must lie in [0, 1); got 1.5",
                 [] { one_cycle_momentum({.max_momentum = 1.5}); });
}
