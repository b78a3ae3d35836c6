// The long form of crash_test's killed processes.
#include <boost/test/unit_test.hpp>
#include <serialization/kill_loop.hpp>

BOOST_AUTO_TEST_CASE(two_hundred_and_fifty_killed_processes) {
  lamina::test::kill_while_saving(250);
}
