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
// Which handles a copied tree holds is told by the copy constructor of its outermost module, before
// any member is copied; a tied parameter that is copied by itself is untied.
//
// Thread-safety: as std::shared_ptr; a SharingScope and the memory of a copy belong to their
// thread.
#pragma once

#include <atomic>
#include <memory>
#include <utility>
#include <vector>

namespace lamina {

namespace detail {
inline thread_local int sharing_scopes = 0;
inline std::atomic<bool> ties_exist{false};  // whether anything was ever shared

// The copy of a tree that is being made on this thread, as far as it holds tied handles.
class TreeCopy {
 public:
  // A module is about to be copied that holds these handles on tied state, its children's included.
  // Unless it is part of the tree whose copy is going on, a new copy begins.
  void enter(std::vector<const void*> handles);
  // The handle is being copied; false: not as part of a tree.
  bool take(const void* handle);
  // What this tree's copy made of a state; null: nothing yet.
  std::shared_ptr<void> copy_of(const void* state) const;
  void made(const void* state, const std::shared_ptr<void>& copy);

 private:
  std::vector<const void*> waiting_;
  std::vector<std::pair<const void*, std::weak_ptr<void>>> copies_;
};

TreeCopy& tree_copy();  // of this thread
}  // namespace detail

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
    if (this == &other) return *this;
    if (cell_ && other.cell_) {
      static_cast<State&>(*cell_) = *other.cell_;
    } else {
      cell_ = other.copied_cell();
    }
    return *this;
  }
  Tied& operator=(Tied&& other) {
    if (this == &other) return *this;
    if (cell_ && other.cell_ && cell_.use_count() > 1) {
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

  // Itself where other handles look at the same state, else null.
  const void* tied_handle() const noexcept { return cell_ && cell_->tied ? this : nullptr; }

 private:
  struct Cell : State {
    Cell() = default;
    explicit Cell(State state) : State(std::move(state)) {}
    bool tied = false;
  };

  std::shared_ptr<Cell> copied_cell() const {
    if (!cell_) return std::make_shared<Cell>();  // moved from
    if (detail::sharing_scopes > 0) {
      cell_->tied = true;
      detail::ties_exist = true;
      return cell_;
    }
    if (!cell_->tied || !detail::tree_copy().take(this)) return independent_copy();
    if (auto copy = detail::tree_copy().copy_of(cell_.get())) {
      return std::static_pointer_cast<Cell>(copy);
    }
    auto copy = independent_copy();
    copy->tied = true;
    detail::tree_copy().made(cell_.get(), copy);
    return copy;
  }
  std::shared_ptr<Cell> independent_copy() const {
    return std::make_shared<Cell>(static_cast<const State&>(*cell_));
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
