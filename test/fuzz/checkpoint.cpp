#include <lamina/serialization/checkpoint.hpp>
#include <lamina/serialization/state_dict.hpp>

#include "fuzz/checkpoint_bytes.hpp"
#include "serialization/small_network.hpp"

namespace lamina::test {
namespace {

std::string checkpoint_of(Run<float>& run) {
  return saved_by([&](FileSystem& files) {
    save_checkpoint<float>(kPath, {run.net, &run.optimizer, &run.progress}, files);
  });
}

// The whole run, to be compared with and put back.
class Snapshot {
 public:
  explicit Snapshot(Run<float>& run)
      : net_(state_of(run.net)),
        optimizer_(state_of(run.optimizer)),
        run_(state_of(run.progress)) {}

  bool is_state_of(Run<float>& run) const {
    return identical(net_, state_of(run.net)) && identical(optimizer_, state_of(run.optimizer)) &&
           identical(run_, state_of(run.progress));
  }
  void put_back(Run<float>& run) const {
    load_state(run.net, net_);
    load_state(run.optimizer, optimizer_);
    load_state(run.progress, run_);
  }

 private:
  StateDict net_, optimizer_, run_;
};

struct TrainedRun : Run<float> {
  TrainedRun() { train(2); }
};

// A checkpoint of another moment of the run that it is loaded into.
std::string original() {
  Run<float> run;
  run.train(1);
  return checkpoint_of(run);
}

std::optional<std::string> read(const std::string& bytes) {
  static TrainedRun run;
  static const Snapshot before(run);
  FakeFileSystem files = folder_with(bytes);
  // What a training state refuses, it refuses by its own error.
  const bool accepted = accepts<Error>(bytes.size(), [&] {
    load_checkpoint<float>(kPath, {run.net, &run.optimizer, &run.progress}, files);
  });
  if (!accepted) {
    if (!before.is_state_of(run)) throw Breach("checkpoint: a refused load changed the run");
    return {};
  }
  std::string form = checkpoint_of(run);
  before.put_back(run);
  return form;
}

HostileReader checkpoint_reader() {
  return {.name = "checkpoint",
          .originals = {original()},
          .read = read,
          .reseal = reseal_checkpoint,
          .described_by = described_bytes};
}

const RegisteredReader kCheckpoint("checkpoint", checkpoint_reader);

}  // namespace
}  // namespace lamina::test
