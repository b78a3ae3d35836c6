#include <algorithm>
#include <lamina/nn/sequential.hpp>
#include <lamina/serialization/detail/architecture.hpp>
#include <lamina/serialization/detail/option_records.hpp>
#include <map>
#include <set>
#include <typeinfo>
#include <unordered_map>

namespace lamina::detail {

namespace {

std::string quoted(const std::string& path) {
  return path.empty() ? std::string("the network") : "'" + path + "'";
}

// Whether `path` lies below `above`; the root is above everything else.
bool is_below(const std::string& path, const std::string& above) {
  if (above.empty()) return !path.empty();
  return path.size() > above.size() && path.starts_with(above) && path[above.size()] == '.';
}

std::string parent_of(const std::string& path) {
  const auto dot = path.rfind('.');
  return dot == std::string::npos ? std::string() : path.substr(0, dot);
}

template <Scalar T>
class ArchitectureRecorder : public Visitor<T> {
 public:
  explicit ArchitectureRecorder(const FileTask& task) : task_(task) {}

  std::vector<ModuleRecord> records;
  // Identity of the state behind every parameter, buffer and counter, by path.
  std::map<std::string, const void*> members;

 protected:
  void module(const std::string& path, Module<T>& module) override {
    const std::string type = module.type();
    const bool plain_sequential = typeid(module) == typeid(Sequential<T>) ||
                                  typeid(module) == typeid(Checkpointed<Sequential<T>>);
    if (!plain_sequential && type == "sequential") {
      task_.fail("be made of modules that name their own type",
                 "a type derived from Sequential without type() at " + quoted(path));
    }
    OptionRecorder options(task_, quoted(path));
    module.visit_options(options);
    records.push_back({.children_listed = plain_sequential,
                       .path = path,
                       .type = type,
                       .tied_to = {},
                       .options = std::move(options.records)});
  }
  void parameter(const std::string& path, Parameter<T>& parameter) override {
    members[path] = parameter.data().get();
  }
  void buffer(const std::string& path, Buffer<T>& buffer) override {
    members[path] = buffer.data().get();
  }
  void counter(const std::string& path, Counter& counter) override {
    members[path] = counter.data().get();
  }

 private:
  const FileTask& task_;
};

// Finds the ties of a recorded tree and notes them in its records.
class TieFinder {
 public:
  using Members = std::map<std::string, const void*>;

  TieFinder(std::vector<ModuleRecord>& records, const Members& members, const FileTask& task)
      : records_(records), members_(members), task_(task) {
    std::set<std::string> listed{""};
    for (std::size_t i = 0; i < records_.size(); ++i) {
      if (records_[i].children_listed) listed.insert(records_[i].path);
    }
    for (std::size_t i = 1; i < records_.size(); ++i) {
      const bool made_from_record = listed.contains(parent_of(records_[i].path));
      if (made_from_record && !records_[i].children_listed) made_.emplace(records_[i].path, i);
    }
  }

  void operator()() {
    std::unordered_map<const void*, const ModuleRecord*> owners;  // of a module's first member
    for (ModuleRecord& record : records_) {
      if (!made_.contains(record.path)) continue;
      const Members members = members_of(record);
      if (members.empty()) continue;
      const auto [owner, fresh] = owners.emplace(members.begin()->second, &record);
      if (!fresh) note_tie(*owner->second, record, members);
    }
    require_all_noted();
  }

 private:
  // By path relative to the module.
  Members members_of(const ModuleRecord& module) const {
    Members found;
    for (auto i = members_.lower_bound(module.path + "."); i != members_.end(); ++i) {
      if (!is_below(i->first, module.path)) break;
      found.emplace(i->first.substr(module.path.size() + 1), i->second);
    }
    return found;
  }
  void note_tie(const ModuleRecord& first, ModuleRecord& second, const Members& state) {
    if (first.type != second.type || first.options != second.options) return;
    if (members_of(first) != state) return;
    second.tied = true;
    second.tied_to = first.path;
  }
  // The module made from a record that a member belongs to; null for members of the root.
  const ModuleRecord* maker_of(std::string path) const {
    while (!path.empty()) {
      path = parent_of(path);
      const auto found = made_.find(path);
      if (found != made_.end()) return &records_[found->second];
    }
    return nullptr;
  }
  static const std::string& origin_of(const ModuleRecord& module) {
    return module.tied ? module.tied_to : module.path;
  }
  void require_all_noted() const {
    std::unordered_map<const void*, const std::string*> first_path;
    for (const auto& [path, identity] : members_) {
      const auto [first, fresh] = first_path.emplace(identity, &path);
      if (fresh) continue;
      const ModuleRecord* a = maker_of(*first->second);
      const ModuleRecord* b = maker_of(path);
      if (a != b && !(a && b && origin_of(*a) == origin_of(*b))) {
        task_.fail("tie only whole children of a Sequential",
                   "'" + *first->second + "' tied to '" + path + "'");
      }
    }
  }

  std::vector<ModuleRecord>& records_;
  const Members& members_;
  const FileTask& task_;
  // Paths of the modules, other than Sequential, that are made from their record.
  std::unordered_map<std::string, std::size_t> made_;
};

template <Scalar T>
class Maker {
 public:
  Maker(const std::vector<ModuleRecord>& records, const Registry<T>& registry, const FileTask& task)
      : records_(records), registry_(registry), task_(task) {
    for (const ModuleRecord& record : records_) {
      if (record.tied) targets_.insert(record.tied_to);
    }
  }

  ModulePointer<T> operator()() {
    if (!records_[0].path.empty()) refuse_order();
    ModulePointer<T> net = make();
    if (next_ != records_.size()) refuse_order();
    return net;
  }

 private:
  [[noreturn]] void refuse_order() const {
    task_.fail("list its modules from the root down",
               "'" + records_[next_ % records_.size()].path + "' where it does not belong");
  }

  ModulePointer<T> make() {
    const ModuleRecord& record = records_[next_++];
    if (record.children_listed) return make_sequential(record);
    ModulePointer<T> module = record.tied ? make_tied(record) : make_registered(record);
    while (next_ < records_.size() && is_below(records_[next_].path, record.path)) ++next_;
    if (targets_.contains(record.path)) {
      SharingScope scope;
      handles_.emplace(record.path, module);
    }
    return module;
  }

  // Paths of at most 256 bytes bound the depth.
  ModulePointer<T> make_sequential(const ModuleRecord& record) {
    Sequential<T> net;
    while (next_ < records_.size() && is_below(records_[next_].path, record.path)) {
      const std::string& path = records_[next_].path;
      if (parent_of(path) != record.path) refuse_order();
      ModulePointer<T> child = make();
      const std::string name = path.substr(record.path.empty() ? 0 : record.path.size() + 1);
      if (name.empty()) refuse_order();
      try {
        net.append(std::move(child), name);
      } catch (const ArgumentError& error) {
        task_.fail("name the children of a Sequential", error.what());
      }
    }
    OptionFiller filler(task_, record);
    return Registry<T>::finished(std::move(net), filler);
  }

  ModulePointer<T> make_tied(const ModuleRecord& record) {
    const auto found = handles_.find(record.tied_to);
    if (found == handles_.end()) {
      task_.fail("tie a module to an earlier one",
                 quoted(record.path) + " tied to '" + record.tied_to + "'");
    }
    SharingScope scope;
    return found->second;
  }

  ModulePointer<T> make_registered(const ModuleRecord& record) {
    if (!registry_.contains(record.type)) {
      std::string known;
      for (const std::string& type : registry_.types()) known += (known.empty() ? "" : ", ") + type;
      task_.fail("hold only types that are registered",
                 "'" + record.type + "' at " + quoted(record.path) +
                     ", registered are: " + (known.empty() ? "none" : known));
    }
    OptionFiller filler(task_, record);
    try {
      return registry_.make(record.type, filler);
    } catch (const CheckpointError&) {
      throw;
    } catch (const Error& error) {
      task_.fail("hold options that '" + record.type + "' accepts at " + quoted(record.path),
                 error.what());
    }
  }

  const std::vector<ModuleRecord>& records_;
  const Registry<T>& registry_;
  const FileTask& task_;
  std::size_t next_ = 0;
  std::set<std::string> targets_;
  std::map<std::string, ModulePointer<T>> handles_;  // second handles on what others are tied to
};

// What came out must be what the file describes; options that the file does not know are younger.
void require_same(const std::vector<ModuleRecord>& made, const std::vector<ModuleRecord>& wanted,
                  const FileTask& task) {
  const auto refuse = [&](const std::string& path, const std::string& what) {
    task.fail("describe what its types make", what + " at " + quoted(path));
  };
  for (std::size_t i = 0; i < std::max(made.size(), wanted.size()); ++i) {
    if (i >= made.size()) refuse(wanted[i].path, "a module that is not made");
    if (i >= wanted.size()) refuse(made[i].path, "no word of the module");
    const ModuleRecord &m = made[i], &w = wanted[i];
    if (m.path != w.path || m.type != w.type || m.children_listed != w.children_listed) {
      refuse(w.path, "'" + w.type + "' where '" + m.type + "' is made");
    }
    if (m.tied != w.tied || m.tied_to != w.tied_to) refuse(w.path, "another tie");
    for (const OptionRecord& option : w.options) {
      if (std::find(m.options.begin(), m.options.end(), option) == m.options.end()) {
        refuse(w.path, "another option '" + option.name + "' of '" + w.type + "'");
      }
    }
  }
}

}  // namespace

template <Scalar T>
std::vector<ModuleRecord> describe_architecture(const Module<T>& net, const FileTask& task) {
  ArchitectureRecorder<T> recorder(task);
  recorder.walk(net);
  TieFinder(recorder.records, recorder.members, task)();
  return std::move(recorder.records);
}

template <Scalar T>
ModulePointer<T> make_architecture(const std::vector<ModuleRecord>& records,
                                   const Registry<T>& registry, const FileTask& task) {
  if (records.empty()) {
    task.fail("be a model file (save_model writes one)", "a checkpoint without architecture");
  }
  ModulePointer<T> net = Maker<T>(records, registry, task)();
  require_same(describe_architecture(*net, task), records, task);
  return net;
}

template std::vector<ModuleRecord> describe_architecture(const Module<float>&, const FileTask&);
template std::vector<ModuleRecord> describe_architecture(const Module<double>&, const FileTask&);
template ModulePointer<float> make_architecture(const std::vector<ModuleRecord>&,
                                                const Registry<float>&, const FileTask&);
template ModulePointer<double> make_architecture(const std::vector<ModuleRecord>&,
                                                 const Registry<double>&, const FileTask&);

}  // namespace lamina::detail
