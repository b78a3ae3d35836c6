// The check of a failure: its type and its whole text, or for readers of damaged files its kind
// alone.
#pragma once

#include <boost/test/unit_test.hpp>
#include <lamina/autograd/tensor/error.hpp>
#include <string>

namespace lamina::test {

// refuses<ShapeError>("[matmul] ...", [&] { matmul(a, b); });
template <class Failure, class Call>
void refuses(const std::string& text, const Call& call) {
  BOOST_CHECK_EXCEPTION(call(), Failure, [&](const Error& error) {
    BOOST_TEST(error.what() == text);
    return true;
  });
}

// Any bytes given to a reader must end in success (true) or in the one typed error (false);
// everything else fails the test.
template <class Failure, class Call>
bool succeeds_or_refuses(const std::string& what, const Call& call) {
  try {
    call();
    return true;
  } catch (const Failure& error) {
    BOOST_TEST(error.what()[0] == '[', what << ": " << error.what());
    return false;
  } catch (const std::exception& error) {
    BOOST_ERROR(what << ": an exception of another type: " << error.what());
    return false;
  }
}

}  // namespace lamina::test
