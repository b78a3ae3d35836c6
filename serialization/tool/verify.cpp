#include <fmt/format.h>

#include <lamina/autograd/tensor/error.hpp>
#include <lamina/serialization/tool/commands.hpp>
#include <lamina/serialization/tool/tensor_file.hpp>
#include <nlohmann/json.hpp>

namespace lamina::tool {

namespace {

using Json = nlohmann::ordered_json;

struct Verdict {
  std::vector<std::string> problems;
  std::string content;
};

// Header and directory decide whether there is anything to look at; then every value is read.
Verdict verdict_on(const std::string& path) {
  Verdict verdict;
  try {
    const TensorFile file(path);
    for (const std::string& name : file.names()) {
      try {
        file.read(name);
      } catch (const Error& error) {
        verdict.problems.push_back(error.message());
      }
    }
    // What lies between the tensors.
    if (verdict.problems.empty() && file.checkpoint()) file.checkpoint()->verify();
    verdict.content = fmt::format("{}, {} values, {} bytes", name_of(file.format()),
                                  file.names().size(), file.size());
  } catch (const Error& error) {
    verdict.problems.push_back(error.message());
  }
  return verdict;
}

}  // namespace

int verify(const VerifyOptions& options) {
  bool good = true;
  Json all = Json::array();
  for (const std::string& path : options.files) {
    const Verdict verdict = verdict_on(path);
    good = good && verdict.problems.empty();
    if (options.json) {
      all.push_back(
          {{"file", path}, {"good", verdict.problems.empty()}, {"problems", verdict.problems}});
    } else if (verdict.problems.empty()) {
      fmt::print("good     {} ({})\n", path, verdict.content);
    } else {
      for (const std::string& problem : verdict.problems) fmt::print("damaged  {}\n", problem);
    }
  }
  if (options.json) fmt::print("{}\n", all.dump(2, ' ', false, Json::error_handler_t::replace));
  return good ? 0 : 1;
}

}  // namespace lamina::tool
