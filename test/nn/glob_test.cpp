#include <boost/test/unit_test.hpp>
#include <lamina/nn/glob.hpp>
#include <string>

using lamina::matches_glob;

BOOST_AUTO_TEST_CASE(glob_stars_match_any_text_dots_included) {
  BOOST_TEST(matches_glob("*", ""));
  BOOST_TEST(matches_glob("*", "a.b.c"));
  BOOST_TEST(matches_glob("conv*", "conv2d.kernel"));
  BOOST_TEST(matches_glob("*.gamma", "block1.bn.gamma"));
  BOOST_TEST(!matches_glob("*.gamma", "gamma"));
  BOOST_TEST(!matches_glob("*.gamma", "bn.gamma2"));
  BOOST_TEST(matches_glob("a*b*c", "a.xbx.b.c"));
  BOOST_TEST(!matches_glob("a*b*c", "a.xbx.b."));
}

BOOST_AUTO_TEST_CASE(glob_question_marks_match_one_character) {
  BOOST_TEST(matches_glob("block?.bn", "block1.bn"));
  BOOST_TEST(!matches_glob("block?.bn", "block12.bn"));
  BOOST_TEST(!matches_glob("block?.bn", "block.bn"));
}

BOOST_AUTO_TEST_CASE(glob_without_wildcards_is_equality) {
  BOOST_TEST(matches_glob("", ""));
  BOOST_TEST(!matches_glob("", "a"));
  BOOST_TEST(matches_glob("dense.bias", "dense.bias"));
  BOOST_TEST(!matches_glob("dense.bias", "dense.bias1"));
}

BOOST_AUTO_TEST_CASE(glob_is_not_exponential) {
  std::string pattern, text(2000, 'a');
  for (int i = 0; i < 50; ++i) pattern += "*a";
  BOOST_TEST(matches_glob(pattern, text));
  BOOST_TEST(!matches_glob(pattern + "b", text));
}
