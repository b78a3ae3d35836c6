// lamina-checkpoint: looks into checkpoints, and into safetensors and npz files.
//
//   lamina-checkpoint inspect run/last.lamina --only "model/*.kernel"
//   lamina-checkpoint verify run/*.lamina
//   lamina-checkpoint diff before.lamina after.lamina
//   lamina-checkpoint convert model.lamina model.safetensors --below model/
//
// Exit codes: 0; 1 for a damaged file (verify) or a difference (diff); 2 where a command could not
// do its work.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <lamina/autograd/tensor/error.hpp>
#include <lamina/serialization/tool/commands.hpp>

namespace {

using namespace lamina::tool;

int run(int count, char** arguments) {
  CLI::App app("Looks into checkpoints of lamina, and into safetensors and npz files.");
  app.require_subcommand(1);
  app.footer(
      "Exit codes: 0; 1 for damage (verify) or differences (diff); 2 for anything impossible.");

  InspectOptions inspecting;
  auto* inspect_command =
      app.add_subcommand("inspect", "names, shapes, types, statistics, histograms, checksums");
  inspect_command->add_option("FILE", inspecting.files)->required();
  inspect_command->add_option("--only", inspecting.only, "names that match: 'model/*.kernel'");
  inspect_command->add_flag("--json", inspecting.json, "as JSON");

  VerifyOptions verifying;
  auto* verify_command = app.add_subcommand("verify", "every byte against its checksum");
  verify_command->add_option("FILE", verifying.files)->required();
  verify_command->add_flag("--json", verifying.json, "as JSON");

  DiffOptions differing;
  auto* diff_command = app.add_subcommand("diff", "what differs between two files");
  diff_command->add_option("FIRST", differing.first)->required();
  diff_command->add_option("SECOND", differing.second)->required();
  diff_command->add_option("--tolerance", differing.tolerance, "elements this close are equal")
      ->check(CLI::NonNegativeNumber);
  diff_command->add_flag("--json", differing.json, "as JSON");

  ConvertOptions converting;
  auto* convert_command =
      app.add_subcommand("convert", "writes the values as .lamina, .safetensors or .npz");
  convert_command->add_option("FROM", converting.from)->required();
  convert_command->add_option("TO", converting.to)->required();
  convert_command->add_option("--below", converting.below,
                              "only names that begin so, without the beginning: 'model/'");
  convert_command->add_flag("--compress", converting.compress, "npz: deflated");
  convert_command->add_flag("--json", converting.json, "what was done as JSON");

  try {
    app.parse(count, arguments);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  if (*inspect_command) return inspect(inspecting);
  if (*verify_command) return verify(verifying);
  if (*diff_command) return diff(differing);
  return convert(converting);
}

}  // namespace

int main(int count, char** arguments) {
  try {
    return run(count, arguments);
  } catch (const std::exception& error) {
    fmt::print(stderr, "lamina-checkpoint: {}\n", error.what());
    return 2;
  }
}
