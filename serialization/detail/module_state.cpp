#include <lamina/serialization/detail/module_state.hpp>
#include <unordered_set>

namespace lamina::detail {

namespace {

template <Scalar T>
class MemberCollector : public Visitor<T> {
 public:
  using Member = typename ModuleState<T>::Member;
  std::vector<Member> members;

 protected:
  void parameter(const std::string& path, Parameter<T>& parameter) override {
    add(path, parameter.data());
  }
  void buffer(const std::string& path, Buffer<T>& buffer) override { add(path, buffer.data()); }
  void counter(const std::string& path, Counter& counter) override {
    if (seen_.insert(counter.data().get()).second) {
      members.push_back({.path = path, .tensor = {}, .counter = &counter, .other = {}});
    }
  }

 private:
  // A tied value appears under the first of its paths.
  template <class Data>
  void add(const std::string& path, std::shared_ptr<Data> data) {
    if (!seen_.insert(data.get()).second) return;
    Tensor<T>* value = &data->value;
    members.push_back({.path = path,
                       .tensor = std::shared_ptr<Tensor<T>>(std::move(data), value),
                       .counter = nullptr,
                       .other = {}});
  }

  std::unordered_set<const void*> seen_;
};

}  // namespace

template <Scalar T>
ModuleState<T>::ModuleState(Module<T>& net) {
  MemberCollector<T> collector;
  collector.walk(net);
  members_ = std::move(collector.members);
}

template <Scalar T>
void ModuleState<T>::add_to(StateDict& state, const std::string& prefix) const {
  for (const Member& member : members_) {
    if (member.counter) {
      state.add(prefix + member.path, member.counter->value());
    } else if (member.tensor->defined()) {
      state.add(prefix + member.path, *member.tensor);
    } else {
      throw StateError(member.path,
                       "a value must exist before it can be saved; got a network that "
                       "was never called, built or loaded");
    }
  }
}

template <Scalar T>
void ModuleState<T>::compare(StateSource& state, Differences& differences) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < members_.size(); ++i) {
    const Member& member = members_[i];
    names.push_back(member.path);
    const std::optional<StateValue> held = state.find(member.path);
    const StateValue* value = held ? &*held : nullptr;
    if (!member.counter) {
      if (const auto* found = compatible(member.path, value, *member.tensor, differences)) {
        take(i, *found);
      }
    } else if (!value) {
      differences.missing(member.path, "an integer");
    } else if (const auto* found = std::get_if<std::int64_t>(value)) {
      take(i, *found);
    } else {
      differences.other_kind(member.path, kind_of(*value), "an integer");
    }
  }
  differences.add_unexpected(state, std::move(names), "");
}

template <Scalar T>
void ModuleState<T>::take(std::size_t member, Tensor<T> value) {
  members_[member].other = std::move(value);
  members_[member].taken = true;
}

template <Scalar T>
void ModuleState<T>::take(std::size_t member, std::int64_t value) {
  members_[member].other_count = value;
  members_[member].taken = true;
}

template <Scalar T>
void ModuleState<T>::swap() noexcept {
  for (Member& member : members_) {
    if (!member.taken) continue;
    if (member.tensor) {
      std::swap(*member.tensor, member.other);
    } else {
      const std::int64_t count = member.counter->value();
      member.counter->set(member.other_count);
      member.other_count = count;
    }
  }
}

template class ModuleState<float>;
template class ModuleState<double>;

}  // namespace lamina::detail
