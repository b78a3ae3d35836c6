// Golden vectors: numbers recorded from other programs, and a report of how lamina compares with
// them.
//
// A runner goes through the cases of one file; every case becomes exactly one line of the report:
//
//   void run_losses(const std::filesystem::path& file, GoldenReport& report) {
//     const Json document = read_json(file);
//     for (const Json& item : document.at("cases")) {
//       report.run(item.at("name"), [&](GoldenCase& test) {
//         const std::string loss = item.at("loss");
//         test.skip_if_listed(kNotBuilt, loss);               // throws where the list has it
//         ArgumentReader arguments(item.at("arguments"));
//         const double delta = arguments.get("delta", 1.0);
//         arguments.finish();                                 // fails on what was not read
//         ...
//         test.compare("value", value, item.at("value"));
//       });
//     }
//   }
//
// An array is {"shape": [...], "data": [...]}, flat and row-major; "nan", "inf", "-inf" are
// strings. A case fails when anything is outside its tolerance, when it throws anything, and when
// it compares nothing. It is skipped only through a FeatureList. Thread-safety: none, runners are
// serial.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <initializer_list>
#include <lamina/autograd/tensor/tensor.hpp>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

namespace lamina::test {

using Json = nlohmann::json;

// |computed - recorded| <= absolute + relative * max(1, |recorded|); NaN equals NaN.
struct Tolerance {
  double relative = 1e-10;
  double absolute = 0;
};

// A recorded tolerance of the batch normalization cases.
inline Tolerance absolute(double value) { return {.relative = 0, .absolute = value}; }

struct GoldenArray {
  Shape shape;
  std::vector<double> data;
};

// Throws std::runtime_error on anything that is no array.
GoldenArray golden_array(const Json& json);
// A number, or one of the strings "nan", "inf", "-inf".
double golden_number(const Json& json);

template <Element T>
Tensor<T> golden_tensor(const Json& json) {
  const GoldenArray array = golden_array(json);
  std::vector<T> values(array.data.begin(), array.data.end());
  return Tensor<T>(array.shape, std::span<const T>(values));
}

Json read_json(const std::filesystem::path& file);

// A list of cases; empty where the file has none of that name. Throws std::runtime_error where the
// file has a list that `known` lacks: its cases would be passed over.
const Json& cases_of(const Json& document, const std::string& list,
                     const std::set<std::string>& known = {"cases"});

// Of cases whose kind is in their name only ("elu_alpha", "elu_steep"): the longest of `known`
// that is the name or what stands before one of its underscores. CaseFailed where there is none.
std::string kind_of(const std::string& name, const std::set<std::string>& known);

// Features that are known and not built yet: name -> reason. What is not on the list is not
// skipped.
using FeatureList = std::map<std::string, std::string>;

// What a case throws to end itself.
struct CaseSkipped : std::runtime_error {
  using std::runtime_error::runtime_error;
};
struct CaseFailed : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// Reads a JSON object and remembers what was asked for, so that an option the runner has never
// heard of fails the case instead of being ignored.
class ArgumentReader {
 public:
  explicit ArgumentReader(const Json& object);

  bool has(const std::string& key) const { return object_->contains(key); }
  bool empty() const { return object_->empty(); }
  // The value as it stands; throws CaseFailed where it is missing.
  const Json& at(const std::string& key);
  // The value as T, or `otherwise` where it is missing or null.
  template <class T>
  T get(const std::string& key, T otherwise) {
    read_.insert(key);
    const auto found = object_->find(key);
    return found == object_->end() || found->is_null() ? otherwise : found->get<T>();
  }
  // Read, and of no consequence here.
  void ignore(std::initializer_list<const char*> keys);
  // Throws CaseFailed naming what nobody read.
  void finish() const;

 private:
  const Json* object_;
  std::set<std::string> read_;
};

class GoldenCase {
 public:
  // Ends the case as skipped where the list has the feature.
  void skip_if_listed(const FeatureList& features, const std::string& feature) const;
  // The same for every key of an object that is not null or false, as "argument:<key>" on the list.
  void skip_listed_arguments(const FeatureList& features, const Json& arguments) const;
  // Ends the case as failed.
  [[noreturn]] void fail(const std::string& reason) const { throw CaseFailed(reason); }
  // Notes a failure and goes on.
  void check(bool holds, const std::string& what);

  // Same shape, and every element within the tolerance.
  template <Element T>
  void compare(const std::string& what, const Tensor<T>& computed, const Json& recorded,
               Tolerance tolerance = {}) {
    const GoldenArray array = golden_array(recorded);
    if (!(computed.shape() == array.shape)) {
      return check(false, what + ": shape " + computed.shape().to_string() + ", recorded " +
                              array.shape.to_string());
    }
    compare_elements(what, to_double(computed), as_stored<T>(array), tolerance);
  }
  // Same elements in the same order, whatever the shape.
  template <Element T>
  void compare_flat(const std::string& what, const Tensor<T>& computed, const Json& recorded,
                    Tolerance tolerance = {}) {
    compare_elements(what, to_double(computed), as_stored<T>(golden_array(recorded)), tolerance);
  }
  void compare(const std::string& what, double computed, const Json& recorded,
               Tolerance tolerance = {}) {
    compare_elements(what, {computed}, {golden_number(recorded)}, tolerance);
  }
  void compare_elements(const std::string& what, const std::vector<double>& computed,
                        const std::vector<double>& recorded, Tolerance tolerance);

 private:
  friend class GoldenReport;

  template <Element T>
  static std::vector<double> to_double(const Tensor<T>& tensor) {
    const auto values = tensor.values();
    return {values.begin(), values.end()};
  }
  // The recorded numbers as T holds them: nine digits read back to the bits of a float, and differ
  // from them in double.
  template <Element T>
  static std::vector<double> as_stored(const GoldenArray& array) {
    std::vector<double> stored;
    for (const double value : array.data) {
      stored.push_back(static_cast<double>(static_cast<T>(value)));
    }
    return stored;
  }

  std::vector<std::string> failures_;
  int comparisons_ = 0;
};

class GoldenReport {
 public:
  // Only cases whose "file:name" contains one of the filters are run; none given: all.
  explicit GoldenReport(std::vector<std::string> filters = {}) : filters_(std::move(filters)) {}

  // The file that the following cases belong to, for the report.
  void begin_file(const std::string& name) { file_ = name; }

  void run(const std::string& name, const std::function<void(GoldenCase&)>& body);
  // A failure outside of any case, for example of a whole file.
  void fail(const std::string& name, const std::string& reason);

  int compared() const { return compared_; }
  int failed() const { return failed_; }
  int skipped() const { return skipped_; }
  bool filtered() const { return !filters_.empty(); }

  // "golden: N compared, N failed, N skipped"; compared counts the failed ones.
  std::string summary() const;

 private:
  bool selected(const std::string& label) const;

  std::vector<std::string> filters_;
  std::string file_;
  int compared_ = 0;
  int failed_ = 0;
  int skipped_ = 0;
};

}  // namespace lamina::test
