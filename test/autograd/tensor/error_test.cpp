#include <boost/test/unit_test.hpp>
#include <lamina/autograd/tensor/error.hpp>
#include <string>

using namespace lamina;

BOOST_AUTO_TEST_SUITE(errors)

BOOST_AUTO_TEST_CASE(the_text_follows_the_grammar) {
  const ShapeError error("matmul", "inner extents must agree; got 3 and 4");
  BOOST_TEST(std::string(error.what()) == "[matmul] inner extents must agree; got 3 and 4");
  BOOST_TEST(error.who() == "matmul");
  BOOST_TEST(error.message() == "inner extents must agree; got 3 and 4");
  BOOST_TEST(error.path() == "");
}

BOOST_AUTO_TEST_CASE(a_layer_and_an_op_inside_it_are_named_apart) {
  ShapeError own("dense", "bad");
  own.enter("encoder.fc", "dense");
  BOOST_TEST(std::string(own.what()) == "[encoder.fc] bad");
  BOOST_TEST(own.path() == "encoder.fc");
  ShapeError inner("matmul", "bad");
  inner.enter("encoder.fc", "dense");
  BOOST_TEST(std::string(inner.what()) == "[encoder.fc: matmul] bad");
  ShapeError root("dense", "bad");
  root.enter("", "dense");
  BOOST_TEST(std::string(root.what()) == "[dense] bad");
  ShapeError inside_root("matmul", "bad");
  inside_root.enter("", "dense");
  BOOST_TEST(std::string(inside_root.what()) == "[dense: matmul] bad");
}

BOOST_AUTO_TEST_CASE(only_the_innermost_module_counts) {
  StateError error("dense", "bad");
  error.enter("a.b.fc", "dense");
  error.enter("a.b", "block");
  error.enter("a", "sequential");
  BOOST_TEST(std::string(error.what()) == "[a.b.fc] bad");
  BOOST_TEST(error.path() == "a.b.fc");
}

BOOST_AUTO_TEST_CASE(a_copy_keeps_its_text) {
  ArgumentError error("sgd", "rate must be finite; got nan");
  const ArgumentError copy = error;
  error.enter("a", "b");
  BOOST_TEST(std::string(copy.what()) == "[sgd] rate must be finite; got nan");
}

BOOST_AUTO_TEST_CASE(every_type_is_an_error_and_a_runtime_error) {
  BOOST_CHECK_THROW(throw ShapeError("a", "b"), Error);
  BOOST_CHECK_THROW(throw ArgumentError("a", "b"), Error);
  BOOST_CHECK_THROW(throw StateError("a", "b"), Error);
  BOOST_CHECK_THROW(throw DataError("a", "b"), Error);
  BOOST_CHECK_THROW(throw CheckpointError("a", "b"), Error);
  BOOST_CHECK_THROW(throw NumericError("a", "b"), Error);
  BOOST_CHECK_THROW(throw ShapeError("a", "b"), std::runtime_error);
}

BOOST_AUTO_TEST_SUITE_END()
