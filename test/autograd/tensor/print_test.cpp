#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <initializer_list>
#include <lamina/autograd/tensor/print.hpp>
#include <limits>
#include <numeric>
#include <sstream>
#include <string>

using namespace lamina;

namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

template <Element T>
void prints(const Shape& shape, std::initializer_list<T> values, const std::string& text) {
  BOOST_TEST(to_string(Tensor<T>(shape, values)) == text);
}

template <Element T>
void prints_counting(const Shape& shape, const std::string& text) {
  auto tensor = Tensor<T>::uninitialized(shape);
  std::iota(tensor.mutable_values().begin(), tensor.mutable_values().end(), T{0});
  BOOST_TEST(to_string(tensor) == text);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(printing)

// Every text was printed by NumPy 2.4.
BOOST_AUTO_TEST_CASE(tensors_are_printed_as_by_numpy) {
  prints<double>({2, 3}, {1.0, 2.5, -3.0, 0.1, 5.0, 6.0},
                 "[[ 1.   2.5 -3. ]\n"
                 " [ 0.1  5.   6. ]]");
  prints<float>({2, 3}, {1.0f, 2.5f, -3.0f, 0.1f, 5.0f, 6.0f},
                "[[ 1.   2.5 -3. ]\n"
                " [ 0.1  5.   6. ]]");
  prints<double>({4}, {0.1, 0.12345678912345, -0.3333333333333333, 0.6666666666666666},
                 "[ 0.1         0.12345679 -0.33333333  0.66666667]");
  prints<float>({4}, {0.1f, 0.12345679f, -0.33333334f, 0.6666667f},
                "[ 0.1         0.12345679 -0.33333334  0.6666667 ]");
  prints<double>({3}, {1e-05, 1.0, 12.0}, "[1.0e-05 1.0e+00 1.2e+01]");
  prints<double>({3}, {1.0, 10.0, 1001.0}, "[1.000e+00 1.000e+01 1.001e+03]");
  prints<double>({3}, {1.0, 10.0, 1000.0}, "[   1.   10. 1000.]");
  prints<double>({2}, {99999999.0, 1.0}, "[9.9999999e+07 1.0000000e+00]");
  prints<double>({2}, {99999999.0, 99999998.5}, "[99999999.  99999998.5]");
  prints<double>({2}, {100000000.0, 125000000.0}, "[1.00e+08 1.25e+08]");
  prints<float>({2}, {999999.0f, 500000.0f}, "[999999. 500000.]");
  prints<float>({2}, {1000000.0f, 1364040.0f}, "[1.00000e+06 1.36404e+06]");
  prints<double>({3}, {1e-300, 1.0, 1e+300}, "[1.e-300 1.e+000 1.e+300]");
  prints<float>({3}, {1.08848276e-07f, -9.966559e-08f, 1.0162421e-07f},
                "[ 1.08848276e-07 -9.96655913e-08  1.01624209e-07]");
  prints<double>({4}, {kNan, 1.0, -2.25, kInfinity}, "[  nan  1.   -2.25   inf]");
  prints<double>({3}, {-kInfinity, 1.0, 2.0}, "[-inf   1.   2.]");
  prints<double>({3}, {kNan, kInfinity, -kInfinity}, "[ nan  inf -inf]");
  prints<double>({3}, {kNan, 1e-10, -10000000000.0}, "[    nan  1.e-10 -1.e+10]");
  prints<double>({3}, {0.0, -0.0, 0.0}, "[ 0. -0.  0.]");
  prints<double>({1, 1, 2}, {5e-324, 1.7976931348623157e+308},
                 "[[[4.94065646e-324 1.79769313e+308]]]");
  prints<std::int64_t>({2, 2}, {1, -20, 300, 4},
                       "[[  1 -20]\n"
                       " [300   4]]");
  prints<std::int64_t>({2}, {std::numeric_limits<std::int64_t>::min(), 9223372036854775807},
                       "[-9223372036854775808  9223372036854775807]");
  prints<std::uint8_t>({3}, {0, 7, 255}, "[  0   7 255]");
  prints<double>({2, 1, 2, 2}, {0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0},
                 "[[[[0. 1.]\n"
                 "   [2. 3.]]]\n"
                 "\n"
                 "\n"
                 " [[[4. 5.]\n"
                 "   [6. 7.]]]]");
  prints<double>({30}, {0.0,  1.25,  2.5,  3.75,  5.0,  6.25,  7.5,  8.75,  10.0, 11.25,
                        12.5, 13.75, 15.0, 16.25, 17.5, 18.75, 20.0, 21.25, 22.5, 23.75,
                        25.0, 26.25, 27.5, 28.75, 30.0, 31.25, 32.5, 33.75, 35.0, 36.25},
                 "[ 0.    1.25  2.5   3.75  5.    6.25  7.5   8.75 10.   11.25 12.5  13.75\n"
                 " 15.   16.25 17.5  18.75 20.   21.25 22.5  23.75 25.   26.25 27.5  28.75\n"
                 " 30.   31.25 32.5  33.75 35.   36.25]");
  prints<std::int64_t>(
      {2, 30}, {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16, 17, 18, 19,
                20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39,
                40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59},
      "[[ 0  1  2  3  4  5  6  7  8  9 10 11 12 13 14 15 16 17 18 19 20 21 22 23\n"
      "  24 25 26 27 28 29]\n"
      " [30 31 32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49 50 51 52 53\n"
      "  54 55 56 57 58 59]]");
}

BOOST_AUTO_TEST_CASE(scalars_are_printed_as_by_numpy) {
  prints<double>({}, {3.5}, "3.5");
  prints<double>({}, {3.0}, "3.0");
  prints<double>({}, {-0.0}, "-0.0");
  prints<double>({}, {1e+16}, "1e+16");
  prints<double>({}, {123456789012345.0}, "123456789012345.0");
  prints<double>({}, {1000000000000000.0}, "1000000000000000.0");
  prints<double>({}, {0.0001}, "0.0001");
  prints<double>({}, {1e-05}, "1e-05");
  prints<double>({}, {1.5e-07}, "1.5e-07");
  prints<double>({}, {kNan}, "nan");
  prints<double>({}, {-kInfinity}, "-inf");
  prints<float>({}, {0.1f}, "0.1");
  prints<float>({}, {999999.0f}, "999999.0");
  prints<float>({}, {1234567.0f}, "1.234567e+06");
  prints<float>({}, {1.5e+38f}, "1.5e+38");
  prints<std::int64_t>({}, {-7}, "-7");
}

BOOST_AUTO_TEST_CASE(the_middle_of_large_tensors_is_left_out) {
  prints_counting<double>({1001}, "[   0.    1.    2. ...  998.  999. 1000.]");
  prints_counting<std::int64_t>({40, 40},
                                "[[   0    1    2 ...   37   38   39]\n"
                                " [  40   41   42 ...   77   78   79]\n"
                                " [  80   81   82 ...  117  118  119]\n"
                                " ...\n"
                                " [1480 1481 1482 ... 1517 1518 1519]\n"
                                " [1520 1521 1522 ... 1557 1558 1559]\n"
                                " [1560 1561 1562 ... 1597 1598 1599]]");
  prints_counting<std::int64_t>({3, 7, 100},
                                "[[[   0    1    2 ...   97   98   99]\n"
                                "  [ 100  101  102 ...  197  198  199]\n"
                                "  [ 200  201  202 ...  297  298  299]\n"
                                "  ...\n"
                                "  [ 400  401  402 ...  497  498  499]\n"
                                "  [ 500  501  502 ...  597  598  599]\n"
                                "  [ 600  601  602 ...  697  698  699]]\n"
                                "\n"
                                " [[ 700  701  702 ...  797  798  799]\n"
                                "  [ 800  801  802 ...  897  898  899]\n"
                                "  [ 900  901  902 ...  997  998  999]\n"
                                "  ...\n"
                                "  [1100 1101 1102 ... 1197 1198 1199]\n"
                                "  [1200 1201 1202 ... 1297 1298 1299]\n"
                                "  [1300 1301 1302 ... 1397 1398 1399]]\n"
                                "\n"
                                " [[1400 1401 1402 ... 1497 1498 1499]\n"
                                "  [1500 1501 1502 ... 1597 1598 1599]\n"
                                "  [1600 1601 1602 ... 1697 1698 1699]\n"
                                "  ...\n"
                                "  [1800 1801 1802 ... 1897 1898 1899]\n"
                                "  [1900 1901 1902 ... 1997 1998 1999]\n"
                                "  [2000 2001 2002 ... 2097 2098 2099]]]");
}

BOOST_AUTO_TEST_CASE(a_thousand_elements_are_shown_whole) {
  const std::string text = to_string(Tensor<std::uint8_t>(Shape{10, 100}, 7));
  BOOST_TEST(std::count(text.begin(), text.end(), '7') == 1000);
  BOOST_TEST(text.find("...") == std::string::npos);
}

BOOST_AUTO_TEST_CASE(empty_and_undefined_tensors_have_a_text) {
  BOOST_TEST(to_string(Tensor<float>(Shape{0}, 1)) == "[]");
  BOOST_TEST(to_string(Tensor<float>(Shape{3, 0, 2}, 1)) == "[]");
  BOOST_TEST(to_string(Tensor<double>()) == "undefined");
}

BOOST_AUTO_TEST_CASE(streams_take_tensors) {
  std::ostringstream out;
  out << "a = " << Tensor<std::int64_t>({2}, {1, -10}) << ";";
  BOOST_TEST(out.str() == "a = [  1 -10];");
}

BOOST_AUTO_TEST_SUITE_END()
