#include <lamina/serialization/detail/checkpoint_content.hpp>
#include <lamina/serialization/detail/module_state.hpp>
#include <lamina/serialization/detail/state_source.hpp>
#include <lamina/serialization/detail/visited_state.hpp>
#include <optional>

namespace lamina::detail {

namespace {

constexpr std::string_view kOptimizerPrefix = "optimizer/";
constexpr std::string_view kStatePrefix = "state/";
constexpr std::string_view kOptimizerType = "optimizer_type";

template <Scalar T, class Visited>
VisitedState<T> visited(std::string kind, Visited& object) {
  return VisitedState<T>(std::move(kind),
                         [&object](StateVisitor<T>& visitor) { object.visit(visitor); });
}

// Reads, compares and writes the three parts; puts back what it wrote when a later part refuses.
template <Scalar T>
class Commit {
 public:
  Commit(const CheckpointParts<T>& parts, ContainerReader& reader)
      : parts_(parts), reader_(reader), task_(reader.task()), model_(parts.net) {}

  void model() {
    Differences differences;
    ContainerSource values(reader_, kModelPrefix);
    model_.compare(values, differences);
    differences.require_none(task_, "hold the state of this network");
    parts_.net.name_tree();
    model_.swap();
    model_written_ = true;
  }

  // Slots exist for parameters that have values, so this comes after the model.
  void rest() {
    Differences differences;
    if (parts_.optimizer) {
      const std::string type = parts_.optimizer->type();
      const std::string_view held = reader_.text(kOptimizerType).value_or("");
      if (held.empty()) {
        differences.missing("optimizer", "the state of '" + type + "'");
      } else if (held != type) {
        const std::string shown(held.substr(0, kLongestName));  // a text may be long
        differences.other_text("optimizer", "'" + shown + "'", "'" + type + "'");
      } else {
        ContainerSource values(reader_, kOptimizerPrefix);
        optimizer_.emplace(visited<T>("optimizer", *parts_.optimizer));
        optimizer_->compare(values, differences);
      }
    }
    if (parts_.state) {
      ContainerSource values(reader_, kStatePrefix);
      state_.emplace(visited<T>("training state", *parts_.state));
      state_->compare(values, differences);
    }
    differences.require_none(task_, "hold the state of this run");
    if (optimizer_) optimizer_->write();
    optimizer_written_ = true;
    if (state_) state_->write();
  }

  void undo() {
    if (optimizer_written_ && optimizer_) optimizer_->restore();
    if (model_written_) model_.swap();
  }

 private:
  const CheckpointParts<T>& parts_;
  ContainerReader& reader_;
  const FileTask& task_;
  ModuleState<T> model_;
  std::optional<VisitedState<T>> optimizer_, state_;
  bool model_written_ = false;
  bool optimizer_written_ = false;
};

}  // namespace

void add_metadata(StateDict& state, const std::map<std::string, std::string>& metadata,
                  const FileTask& task) {
  for (const auto& [key, text] : metadata) {
    const std::string name = std::string(kMetadataPrefix) + key;
    if (key.empty() || !is_name(name)) {
      throw ArgumentError(task.who, "a key of metadata must be 1 to " +
                                        std::to_string(kLongestName - kMetadataPrefix.size()) +
                                        " bytes of UTF-8 without control characters; got '" + key +
                                        "'");
    }
    if (text.size() > kLongestText) {
      throw ArgumentError(task.who, "metadata must be at most " + std::to_string(kLongestText) +
                                        " bytes each; got " + std::to_string(text.size()) +
                                        " under '" + key + "'");
    }
    state.add(name, text);
  }
}

template <Scalar T>
StateDict snapshot_of(const CheckpointParts<T>& parts, const FileTask& task) {
  StateDict state;
  ModuleState<T>(parts.net).add_to(state, std::string(kModelPrefix));
  if (parts.optimizer) {
    state.add(std::string(kOptimizerType), parts.optimizer->type());
    visited<T>("optimizer", *parts.optimizer).add_to(state, std::string(kOptimizerPrefix));
  }
  if (parts.state) {
    visited<T>("training state", *parts.state).add_to(state, std::string(kStatePrefix));
  }
  add_metadata(state, parts.metadata, task);
  return state;
}

template <Scalar T>
void load_content(FileSystem& files, const FileTask& task, const CheckpointParts<T>& parts) {
  ContainerReader reader = reading([&] { return ContainerReader(files, task); });
  Commit<T> commit(parts, reader);
  try {
    commit.model();
    commit.rest();
  } catch (...) {
    commit.undo();
    throw;
  }
}

template StateDict snapshot_of(const CheckpointParts<float>&, const FileTask&);
template StateDict snapshot_of(const CheckpointParts<double>&, const FileTask&);
template void load_content(FileSystem&, const FileTask&, const CheckpointParts<float>&);
template void load_content(FileSystem&, const FileTask&, const CheckpointParts<double>&);

}  // namespace lamina::detail
