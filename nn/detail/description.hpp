// Reading a Description back into an initializer, regularizer or constraint.
// All errors are ArgumentErrors.
#pragma once

#include <cstdint>
#include <lamina/nn/initializer.hpp>
#include <set>
#include <string>
#include <vector>

namespace lamina {

// Takes the numbers out of a description; finish() refuses an unknown name and numbers that nobody
// took.
class DescriptionReader {
 public:
  // `kind`: "initializer", for messages.
  DescriptionReader(const char* kind, const Description& description);

  double number(const std::string& name);
  // An integer in [0, count).
  int choice(const std::string& name, int count);
  // The numbers "<name>_0", "<name>_1", ..., as integers.
  std::vector<int> integers(const std::string& name);
  void finish(bool known) const;

 private:
  const std::pair<std::string, double>* find(const std::string& name);

  const char* kind_;
  const Description& description_;
  std::set<std::string> taken_;
};

}  // namespace lamina
