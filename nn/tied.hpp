// Tied: a member that is copied with its owner, unless the owner is being shared.
//
// Parameters, buffers and counters live in a Tied. The compiler-written copy of a module is then
// deep. A SharingScope turns the copies made inside it into second handles on the same state; that
// is how share(layer) ties weights. When a tree that holds several handles on one state is copied,
// the copies are tied to each other and to nothing else.
//
// Assignment writes into the existing state when somebody else looks at it (an optimizer, a tape):
// an optimizer made for a network stays with it when the network is assigned to.
//
// Thread-safety: as std::shared_ptr; a SharingScope and the memory of a copy belong to their
// thread.
#pragma once

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

namespace lamina {

namespace detail {
inline thread_local int sharing_scopes = 0;
}

// While one lives, copying a module on this thread gives handles on the same state.
class SharingScope {
 public:
  SharingScope() { ++detail::sharing_scopes; }
  ~SharingScope() { --detail::sharing_scopes; }
  SharingScope(const SharingScope&) = delete;
  SharingScope& operator=(const SharingScope&) = delete;
};

template <class State>
class Tied {
 public:
  Tied() : cell_(std::make_shared<Cell>()) {}
  explicit Tied(State state) : cell_(std::make_shared<Cell>(std::move(state))) {}

  Tied(const Tied& other) : cell_(other.copied_cell()) {}
  Tied(Tied&& other) noexcept = default;
  Tied& operator=(const Tied& other) {
    if (this != &other) static_cast<State&>(*cell_) = *other.cell_;
    return *this;
  }
  Tied& operator=(Tied&& other) {
    if (this == &other) return *this;
    if (cell_ && cell_.use_count() > 1) {
      static_cast<State&>(*cell_) = *other.cell_;
    } else {
      cell_ = std::move(other.cell_);
    }
    return *this;
  }
  ~Tied() = default;

  State& operator*() const noexcept { return *cell_; }
  State* operator->() const noexcept { return cell_.get(); }
  std::shared_ptr<State> pointer() const noexcept { return cell_; }

 private:
  struct Cell : State {
    Cell() = default;
    explicit Cell(State state) : State(std::move(state)) {}
    bool tied = false;
  };

  // The copy of a tied cell that is being assembled on this thread, and the handles that already
  // took part: a handle that asks twice belongs to a second copy of the tree.
  struct Assembly {
    std::weak_ptr<Cell> source, copy;
    std::vector<const Tied*> handles;
  };

  std::shared_ptr<Cell> copied_cell() const {
    if (detail::sharing_scopes > 0) {
      cell_->tied = true;
      return cell_;
    }
    if (!cell_->tied) return std::make_shared<Cell>(static_cast<const State&>(*cell_));

    static thread_local std::vector<Assembly> assemblies;
    std::erase_if(assemblies, [](const Assembly& a) { return a.source.expired(); });
    auto found = std::find_if(assemblies.begin(), assemblies.end(),
                              [&](const Assembly& a) { return a.source.lock() == cell_; });
    if (found == assemblies.end()) {
      assemblies.push_back({cell_, {}, {}});
      found = assemblies.end() - 1;
    }
    std::shared_ptr<Cell> copy = found->copy.lock();
    const bool again =
        std::find(found->handles.begin(), found->handles.end(), this) != found->handles.end();
    if (!copy || again) {
      copy = std::make_shared<Cell>(static_cast<const State&>(*cell_));
      copy->tied = true;
      found->copy = copy;
      found->handles.clear();
    }
    found->handles.push_back(this);
    return copy;
  }

  std::shared_ptr<Cell> cell_;
};

// A second handle on the same parameters, buffers and counters: `Dense<float> decoder =
// share(encoder);`
template <class M>
M share(const M& module) {
  SharingScope scope;
  return M(module);
}

}  // namespace lamina
