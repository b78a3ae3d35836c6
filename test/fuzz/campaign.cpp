#include "fuzz/campaign.hpp"

#include "support/damage.hpp"

namespace lamina::test {

namespace {

std::string hexadecimal(const std::string& bytes) {
  std::string text;
  for (const char c : bytes) {
    constexpr const char* kDigits = "0123456789abcdef";
    text += kDigits[static_cast<unsigned char>(c) >> 4];
    text += kDigits[static_cast<unsigned char>(c) & 15];
  }
  return text;
}

// Gives damaged copies of one original to the reader.
class Attack {
 public:
  Attack(const HostileReader& reader, const std::string& original, bool resealed, Outcome& outcome)
      : reader_(reader), original_(original), resealed_(resealed), outcome_(outcome) {
    const std::optional<std::string> form = reader.read(original);
    if (!form) throw Breach(reader.name + ": an original is refused");
    form_ = *form;
  }

  void operator()(std::string bytes) const {
    if (resealed_) reader_.reseal(bytes);
    if (bytes == original_) return;
    ++outcome_.files;
    try {
      judge(reader_.read(bytes));
    } catch (const Breach& breach) {
      throw Breach(reader_.name + ": " + breach.what() + "; the file is " + hexadecimal(bytes));
    }
  }

 private:
  void judge(const std::optional<std::string>& form) const {
    if (!form) {
      ++outcome_.refused;
    } else if (*form == form_) {
      ++outcome_.same;
    } else {
      ++outcome_.other;
      if (reader_.reseal && !resealed_) throw Breach("a damaged file is accepted as other data");
      const auto again = reader_.read(*form);
      if (!again || *again != *form) throw Breach("what was accepted is not read back");
    }
  }

  const HostileReader& reader_;
  const std::string& original_;
  bool resealed_;
  Outcome& outcome_;
  std::string form_;
};

}  // namespace

Outcome attack_reader(const HostileReader& reader, const Effort& effort, bool resealed) {
  Outcome outcome;
  for (const std::string& original : reader.originals) {
    const Attack attack(reader, original, resealed, outcome);
    cut_everywhere(original, effort.stride > 1 ? 3 : 1, attack);
    flip_every_bit(original, effort.stride, attack);
    const std::size_t described =
        reader.described_by ? reader.described_by(original) : original.size();
    every_byte_value(original, described, effort.stride, attack);
    boundary_integers(original, effort.stride, attack);
    const auto originals = static_cast<int>(reader.originals.size());
    random_mutations(original, effort.random_mutations / originals, attack);
  }
  return outcome;
}

}  // namespace lamina::test
