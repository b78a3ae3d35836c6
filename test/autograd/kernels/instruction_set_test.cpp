// The names of levels, and what LAMINA_ISA may ask for.
#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <lamina/autograd/kernels/instruction_set.hpp>

#include "support/refusal.hpp"

namespace lamina::kernels {
namespace {

using test::refuses;

BOOST_AUTO_TEST_SUITE(instruction_set_choice)

BOOST_AUTO_TEST_CASE(takes_the_best_level_unless_a_lower_one_is_named) {
  for (const InstructionSet best :
       {InstructionSet::baseline, InstructionSet::avx2, InstructionSet::avx512}) {
    BOOST_TEST((choose_instruction_set("", best) == best));
    BOOST_TEST((choose_instruction_set("baseline", best) == InstructionSet::baseline));
    BOOST_TEST((choose_instruction_set(to_string(best), best) == best));
  }
  BOOST_TEST((choose_instruction_set("avx2", InstructionSet::avx512) == InstructionSet::avx2));
}

BOOST_AUTO_TEST_CASE(refuses_what_is_no_level_or_not_there) {
  refuses<ArgumentError>("[LAMINA_ISA] the level must be baseline, avx2 or avx512; got AVX2",
                         [] { choose_instruction_set("AVX2", InstructionSet::avx512); });
  refuses<ArgumentError>(
      "[LAMINA_ISA] the processor must have the level; got avx512, expected at most avx2",
      [] { choose_instruction_set("avx512", InstructionSet::avx2); });
  refuses<ArgumentError>(
      "[LAMINA_ISA] the processor must have the level; got avx2, expected at most baseline",
      [] { choose_instruction_set("avx2", InstructionSet::baseline); });
}

BOOST_AUTO_TEST_CASE(the_process_uses_what_its_environment_names) {
  const char* const wanted = std::getenv("LAMINA_ISA");
  BOOST_TEST(
      (instruction_set() == choose_instruction_set(wanted ? wanted : "", best_instruction_set())));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace lamina::kernels
