#include <algorithm>
#include <cctype>
#include <lamina/autograd/ops/arithmetic.hpp>
#include <lamina/autograd/tensor/error.hpp>
#include <lamina/layers/scope.hpp>

namespace lamina {
namespace {

constexpr const char* kWho = "scope";

void require_valid(const std::string& name, bool at_the_root) {
  const auto allowed = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) ||
           std::string("_.\\/>-").find(c) != std::string::npos;
  };
  bool valid = !name.empty() && std::all_of(name.begin(), name.end(), allowed);
  if (at_the_root && valid) {
    valid = std::isalnum(static_cast<unsigned char>(name.front())) || name.front() == '.';
  }
  if (valid) return;
  throw ArgumentError(kWho,
                      "a name must be made of letters, digits and _.\\/>- and begin, at the "
                      "root, with a letter, digit or dot; got '" +
                          name + "'");
}

// Inside a scope that reuses, everything reuses; a call cannot switch that off.
Reuse inherited(Reuse outer, Reuse own) { return own == Reuse::no ? outer : own; }

}  // namespace

Scope::Scope() : entry_(std::make_shared<Entry>()) { entry_->store = std::make_shared<Store>(); }

std::string Scope::full_name(const std::string& name) const {
  return entry_->path.empty() ? name : entry_->path + "/" + name;
}

Scope Scope::scope(const std::string& name, Reuse reuse) const {
  require_valid(name, entry_->path.empty());
  ++entry_->entered[name];
  auto inner = std::make_shared<Entry>();
  inner->store = entry_->store;
  inner->path = full_name(name);
  inner->reuse = inherited(entry_->reuse, reuse);
  return Scope(std::move(inner));
}

Scope Scope::layer_scope(const std::string& name, const std::string& base, Reuse reuse) const {
  if (!name.empty()) return scope(name, reuse);
  std::string unique = base;
  if (reuse == Reuse::no) {
    for (int number = 1; entry_->entered.contains(unique); ++number) {
      unique = base + "_" + std::to_string(number);
    }
  }
  return scope(unique, reuse);
}

std::vector<std::string> Scope::variables() const { return entry_->store->order; }

bool Scope::contains(const std::string& path) const {
  return entry_->path.empty() || path == entry_->path || path.starts_with(entry_->path + "/");
}

template <Scalar T>
ParameterList<T> Scope::parameters() const {
  ParameterList<T> list;
  for (const std::string& path : entry_->store->order) {
    const auto* parameter = std::get_if<Parameter<T>>(&entry_->store->variables.at(path));
    if (parameter && contains(path)) list.push_back(parameter->data());
  }
  return list;
}

template <Scalar T>
Variable<T> Scope::regularization(const Context<T>& ctx) const {
  Variable<T> sum(Tensor<T>::scalar(T{0}));
  for (const std::string& path : entry_->store->order) {
    const auto* parameter = std::get_if<Parameter<T>>(&entry_->store->variables.at(path));
    if (!parameter || !contains(path) || !parameter->data()->regularizer) continue;
    sum = sum + parameter->data()->regularizer((*parameter)(ctx));
  }
  return sum;
}

template <class Member>
bool Scope::find(const std::string& name, const Shape& shape) const {
  const std::string path = full_name(name);
  const auto found = entry_->store->variables.find(path);
  if (found == entry_->store->variables.end()) {
    if (entry_->reuse != Reuse::yes) return false;
    throw StateError(kWho, "a reused variable must exist; got '" + path +
                               "', which does not, expected one made by an earlier call or reuse = "
                               "automatic");
  }
  if (entry_->reuse == Reuse::no) {
    throw StateError(kWho,
                     "a new variable needs a new name; got '" + path +
                         "', which exists, expected another name or reuse = yes or automatic");
  }
  const auto* member = std::get_if<Member>(&found->second);
  if (!member) {
    throw ArgumentError(kWho,
                        "a shared variable must keep its type; got another one for '" + path + "'");
  }
  if (!(member->shape() == shape)) {
    throw ShapeError(kWho, "a shared variable must keep its shape; got " + shape.to_string() +
                               " for '" + path + "', expected " + member->shape().to_string());
  }
  return true;
}

template <class Member>
void Scope::bind(const std::string& name, Member& member) const {
  member = share(std::get<Member>(entry_->store->variables.at(full_name(name))));
}

template <class Member>
void Scope::store(const std::string& name, const Member& member) const {
  const std::string path = full_name(name);
  entry_->store->variables.emplace(path, share(member));
  entry_->store->order.push_back(path);
}

void Scope::bind_counter(const std::string& name, Counter& member) const {
  auto& counters = entry_->store->counters;
  const std::string path = full_name(name);
  const auto found = counters.find(path);
  if (found != counters.end()) {
    member = share(found->second);
  } else {
    counters.emplace(path, share(member));
  }
}

template ParameterList<float> Scope::parameters() const;
template ParameterList<double> Scope::parameters() const;
template Variable<float> Scope::regularization(const Context<float>&) const;
template Variable<double> Scope::regularization(const Context<double>&) const;

#define LAMINA_SCOPE(Member)                                                 \
  template bool Scope::find<Member>(const std::string&, const Shape&) const; \
  template void Scope::bind(const std::string&, Member&) const;              \
  template void Scope::store(const std::string&, const Member&) const;
LAMINA_SCOPE(Parameter<float>)
LAMINA_SCOPE(Parameter<double>)
LAMINA_SCOPE(Buffer<float>)
LAMINA_SCOPE(Buffer<double>)
#undef LAMINA_SCOPE

}  // namespace lamina
