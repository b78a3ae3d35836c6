// The long form of resume_test's killed runs: every kind, killed after every step.
#include <boost/test/unit_test.hpp>
#include <numeric>

#include "training/killed_runs.hpp"

BOOST_AUTO_TEST_CASE(every_kind_of_run_is_resumed_exactly_after_every_step) {
  lamina::test::resume_killed_runs([](std::size_t) {
    std::vector<std::int64_t> steps(lamina::test::KilledRun::kSteps);
    std::iota(steps.begin(), steps.end(), 1);
    return steps;
  });
}
