// The main function of every Boost.Test executable.
#define BOOST_TEST_MODULE lamina
#include <boost/test/unit_test.hpp>
#include <csignal>

// A shell has programs in the background ignore Ctrl-C, and some tests send it.
struct ControlCArrives {
  ControlCArrives() { std::signal(SIGINT, SIG_DFL); }
};
BOOST_TEST_GLOBAL_FIXTURE(ControlCArrives);
