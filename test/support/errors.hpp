// Checks that an error of the right type arises with the right text.
#pragma once

#include <boost/test/unit_test.hpp>
#include <lamina/autograd/tensor/error.hpp>
#include <string>

namespace lamina::test {

template <class Expected, class Function>
void check_error(const std::string& text, Function&& function) {
  try {
    function();
  } catch (const Expected& error) {
    BOOST_TEST(std::string(error.what()) == text);
    return;
  } catch (const std::exception& error) {
    BOOST_ERROR("another type of error: " << error.what());
    return;
  }
  BOOST_ERROR("no error; expected: " << text);
}

}  // namespace lamina::test
