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

bool loads(const std::string& bytes, Run<float>& run) {
  FakeFileSystem files = folder_with(bytes);
  // What a training state refuses, it refuses by its own error.
  return accepts<Error>(bytes.size(), [&] {
    load_checkpoint<float>(kPath, {run.net, &run.optimizer, &run.progress}, files);
  });
}

// A network that was never called has no values to compare: it must still have none.
bool loads_into_new_run(const std::string& bytes) {
  static std::optional<Run<float>> run;
  if (!run) run.emplace();
  static const StateDict optimizer = state_of(run->optimizer), progress = state_of(run->progress);
  if (loads(bytes, *run)) {
    run.reset();
    return true;
  }
  if (run->net.built() || !identical(optimizer, state_of(run->optimizer)) ||
      !identical(progress, state_of(run->progress))) {
    throw Breach("checkpoint: a refused load changed a run that had not begun");
  }
  return false;
}

std::optional<std::string> read(const std::string& bytes) {
  static TrainedRun run;
  static const Snapshot before(run);
  const bool accepted = loads(bytes, run);
  if (!accepted && !before.is_state_of(run)) {
    throw Breach("checkpoint: a refused load changed the run");
  }
  std::optional<std::string> form;
  if (accepted) {
    form = checkpoint_of(run);
    before.put_back(run);
  }
  // What fits a network as it is also fits one that takes its shapes from the file.
  if (!loads_into_new_run(bytes) && accepted) {
    throw Breach("checkpoint: a run that had not begun refuses what another accepts");
  }
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
