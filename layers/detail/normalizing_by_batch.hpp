// NormalizingByBatch: while one lives, inference normalizes by the batch at hand in every batch
// normalization of a tree whose statistics follow training. No layer then depends on the moving
// statistics of those before it, and nothing else of the network behaves as in training.
// Thread-safety: nobody else uses the tree meanwhile.
#pragma once

#include <lamina/layers/batch_normalization.hpp>
#include <optional>
#include <utility>
#include <vector>

namespace lamina::detail {

template <Scalar T>
class NormalizingByBatch {
 public:
  explicit NormalizingByBatch(Module<T>& net) {
    Search search;
    search.walk(net);
    former_.reserve(search.found.size());
    for (BatchNormalization<T>* layer : search.found) {
      former_.emplace_back(layer, layer->options().use_batch_statistics);
      layer->set_use_batch_statistics(true);
    }
  }
  ~NormalizingByBatch() {
    // Backwards: one that was visited twice gets what it had first.
    for (auto i = former_.rbegin(); i != former_.rend(); ++i) {
      i->first->set_use_batch_statistics(i->second);
    }
  }
  NormalizingByBatch(const NormalizingByBatch&) = delete;
  NormalizingByBatch& operator=(const NormalizingByBatch&) = delete;

 private:
  class Search : public Visitor<T> {
   public:
    std::vector<BatchNormalization<T>*> found;

   protected:
    void module(const std::string&, Module<T>& module) override {
      auto* layer = dynamic_cast<BatchNormalization<T>*>(&module);
      if (layer && layer->options().follows_training()) found.push_back(layer);
    }
  };

  std::vector<std::pair<BatchNormalization<T>*, std::optional<bool>>> former_;
};

}  // namespace lamina::detail
