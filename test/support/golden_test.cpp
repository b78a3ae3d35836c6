// The golden report finds what differs, and lets nothing pass that was not compared.
#include "support/golden.hpp"

#include <boost/test/unit_test.hpp>
#include <limits>

using namespace lamina;
using namespace lamina::test;

namespace {

Json array(const char* shape, const char* data) {
  return Json::parse(std::string(R"({"shape": )") + shape + R"(, "data": )" + data + "}");
}

// The summary after one case.
std::string outcome_of(const std::function<void(GoldenCase&)>& body) {
  GoldenReport report;
  report.begin_file("file");
  report.run("case", body);
  return report.summary();
}

const std::string kPassed = "golden: 1 compared, 0 failed, 0 skipped";
const std::string kFailed = "golden: 1 compared, 1 failed, 0 skipped";
const std::string kSkipped = "golden: 0 compared, 0 failed, 1 skipped";

}  // namespace

BOOST_AUTO_TEST_SUITE(golden)

BOOST_AUTO_TEST_CASE(equal_arrays_pass_and_any_difference_fails) {
  const Json recorded = array("[2, 3]", R"([1, 2, 3, "nan", "inf", "-inf"])");
  Tensor<double> computed = golden_tensor<double>(recorded);
  BOOST_TEST(outcome_of([&](GoldenCase& test) { test.compare("y", computed, recorded); }) ==
             kPassed);
  for (std::int64_t i = 0; i < 6; ++i) {
    Tensor<double> wrong = computed;
    wrong.mutable_data()[i] = 7;
    BOOST_TEST(outcome_of([&](GoldenCase& test) { test.compare("y", wrong, recorded); }) ==
               kFailed);
  }
  const Tensor<double> nan({1}, std::numeric_limits<double>::quiet_NaN());
  BOOST_TEST(outcome_of([&](GoldenCase& test) {
               test.compare("y", nan, array("[1]", "[1]"), absolute(1e9));
             }) == kFailed);
}

BOOST_AUTO_TEST_CASE(shapes_count_unless_compared_flat) {
  const Json recorded = array("[2, 3]", "[1, 2, 3, 4, 5, 6]");
  const Tensor<float> computed = golden_tensor<float>(recorded).reshaped({3, 2});
  BOOST_TEST(outcome_of([&](GoldenCase& test) { test.compare("y", computed, recorded); }) ==
             kFailed);
  BOOST_TEST(outcome_of([&](GoldenCase& test) { test.compare_flat("y", computed, recorded); }) ==
             kPassed);
  const Tensor<float> shorter({5}, 1.0F);
  BOOST_TEST(outcome_of([&](GoldenCase& test) { test.compare_flat("y", shorter, recorded); }) ==
             kFailed);
}

BOOST_AUTO_TEST_CASE(nine_digits_are_the_bits_of_a_float) {
  const Json recorded = array("[1]", "[-0.416032910]");
  const auto outcome = [&](auto computed) {
    return outcome_of(
        [&](GoldenCase& test) { test.compare_flat("mean", computed, recorded, absolute(0)); });
  };
  BOOST_TEST(outcome(Tensor<float>({1}, -0.41603291F)) == kPassed);
  BOOST_TEST(outcome(Tensor<float>({1}, -0.41603294F)) == kFailed);
  BOOST_TEST(outcome(Tensor<double>({1}, -0.41603291)) == kPassed);
  BOOST_TEST(outcome(Tensor<double>({1}, static_cast<double>(-0.41603291F))) == kFailed);
}

BOOST_AUTO_TEST_CASE(tolerance_is_relative_to_one_or_more_or_absolute) {
  const auto passes = [](double computed, double recorded, Tolerance tolerance) {
    return outcome_of([&](GoldenCase& test) {
             test.compare("y", computed, Json(recorded), tolerance);
           }) == kPassed;
  };
  BOOST_TEST(passes(1e-3, 2e-3, {.relative = 1e-2}));
  BOOST_TEST(!passes(1000, 1020, {.relative = 1e-2}));
  BOOST_TEST(passes(1000, 1009, {.relative = 1e-2}));
  BOOST_TEST(passes(1000, 1000.5, absolute(0.5)));
  BOOST_TEST(!passes(1000, 1000.6, absolute(0.5)));
}

BOOST_AUTO_TEST_CASE(a_case_that_compares_nothing_or_throws_fails) {
  BOOST_TEST(outcome_of([](GoldenCase&) {}) == kFailed);
  BOOST_TEST(outcome_of([](GoldenCase& test) {
               test.check(true, "first");
               throw std::runtime_error("then");
             }) == kFailed);
  BOOST_TEST(outcome_of([](GoldenCase& test) { test.fail("unknown layer"); }) == kFailed);
}

BOOST_AUTO_TEST_CASE(only_a_listed_feature_is_skipped) {
  const FeatureList features = {{"LSTM", "later"}, {"argument:renorm", "later"}};
  BOOST_TEST(outcome_of([&](GoldenCase& test) {
               test.skip_if_listed(features, "LSTM");
               test.fail("not reached");
             }) == kSkipped);
  BOOST_TEST(outcome_of([&](GoldenCase& test) {
               test.skip_listed_arguments(features, Json{{"axis", 1}, {"renorm", true}});
               test.fail("not reached");
             }) == kSkipped);
  for (const Json& off : {Json(false), Json(nullptr)}) {
    BOOST_TEST(outcome_of([&](GoldenCase& test) {
                 test.skip_listed_arguments(features, Json{{"renorm", off}});
                 test.check(true, "reached");
               }) == kPassed);
  }
  BOOST_TEST(outcome_of([&](GoldenCase& test) {
               test.skip_if_listed(features, "GRU");
               test.fail("unknown layer");
             }) == kFailed);
}

BOOST_AUTO_TEST_CASE(an_argument_that_nobody_reads_fails_the_case) {
  const Json object = {{"delta", 2.5}, {"axis", nullptr}, {"surprise", 1}};
  ArgumentReader arguments(object);
  BOOST_TEST(arguments.get("delta", 1.0) == 2.5);
  BOOST_TEST(arguments.get("axis", -1) == -1);
  BOOST_TEST(arguments.get("missing", 3) == 3);
  BOOST_CHECK_THROW(arguments.at("missing"), CaseFailed);
  BOOST_CHECK_EXCEPTION(arguments.finish(), CaseFailed, [](const CaseFailed& error) {
    return std::string(error.what()) == "the runner does not know the argument surprise = 1";
  });
  arguments.ignore({"surprise"});
  BOOST_CHECK_NO_THROW(arguments.finish());
}

BOOST_AUTO_TEST_CASE(numbers_are_numbers_truths_and_three_words) {
  BOOST_TEST(golden_number(Json(2.5)) == 2.5);
  BOOST_TEST(golden_number(Json(true)) == 1);
  BOOST_TEST(golden_number(Json("-inf")) == -std::numeric_limits<double>::infinity());
  BOOST_CHECK_THROW(golden_number(Json(nullptr)), std::runtime_error);
}

BOOST_AUTO_TEST_CASE(malformed_arrays_are_refused) {
  BOOST_CHECK_THROW(golden_array(Json(3)), std::runtime_error);
  BOOST_CHECK_THROW(golden_array(array("[2]", "[1]")), std::runtime_error);
  BOOST_CHECK_THROW(golden_array(array("[1]", R"(["infinity"])")), std::runtime_error);
  BOOST_CHECK_THROW(read_json("no such file"), std::runtime_error);
}

BOOST_AUTO_TEST_CASE(a_list_may_be_absent_but_not_unknown) {
  const Json document = Json::parse(R"({"family": "optimizers", "cases": [1, 2]})");
  BOOST_TEST(cases_of(document, "cases").size() == 2);
  BOOST_TEST(cases_of(document, "clipping", {"cases", "clipping"}).empty());
  BOOST_CHECK_EXCEPTION(cases_of(document, "clipping", {"clipping"}), std::runtime_error,
                        [](const std::runtime_error& error) {
                          return std::string(error.what()) ==
                                 "the runner does not know the list cases";
                        });
}

BOOST_AUTO_TEST_CASE(a_kind_is_the_longest_known_beginning_of_a_name) {
  const std::set<std::string> known = {"relu", "relu_options", "softmax"};
  BOOST_TEST(kind_of("relu", known) == "relu");
  BOOST_TEST(kind_of("relu_options", known) == "relu_options");
  BOOST_TEST(kind_of("relu_options_17_b", known) == "relu_options");
  BOOST_TEST(kind_of("relu_steep", known) == "relu");
  for (const char* unknown : {"relu6", "log_softmax", "_relu", ""}) {
    BOOST_CHECK_THROW(kind_of(unknown, known), CaseFailed);
  }
}

BOOST_AUTO_TEST_CASE(filters_choose_cases) {
  GoldenReport report({"nn/ops.json:add"});
  report.begin_file("nn/ops.json");
  int runs = 0;
  for (const char* name : {"add", "add_broadcast", "subtract"}) {
    report.run(name, [&](GoldenCase& test) { test.check(++runs > 0, "run"); });
  }
  BOOST_TEST(runs == 2);
}

BOOST_AUTO_TEST_SUITE_END()
