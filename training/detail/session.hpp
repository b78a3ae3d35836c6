// TrainingSession: one run of Trainer::fit, and the state that a checkpoint of it holds: epoch,
// batches consumed in it, running sums, the position of the random streams, history, callbacks.
#pragma once

#include <lamina/data/data_loader.hpp>
#include <lamina/serialization/background_saver.hpp>
#include <lamina/serialization/training_state.hpp>
#include <lamina/training/detail/training_step.hpp>
#include <lamina/training/trainer.hpp>

namespace lamina::detail {

template <Scalar T>
class TrainingSession final : public TrainingRun, public TrainingState<T> {
 public:
  TrainingSession(Trainer<T>& trainer, const TrainerOptions<T>& options, const Dataset& data,
                  const FitOptions& fit, std::int64_t random_step);

  History run();
  std::int64_t random_step() const noexcept { return rng_.step(); }

  void visit(StateVisitor<T>& visitor) override;

  double value(const std::string& name) const override;
  bool larger_is_better(const std::string& name) const override;
  double learning_rate() const override { return trainer_.optimizer().learning_rate(); }
  void set_learning_rate(double rate) override { trainer_.optimizer().set_learning_rate(rate); }
  void stop(const std::string& reason) override {
    history.stop_reason = reason.empty() ? "a callback ended the run" : reason;
  }
  std::string save(const std::string& folder, int keep, const std::string& prefix) override;
  void save_in_background(const std::string& folder, int keep, const std::string& prefix) override;

 private:
  void require_sound() const;
  void run_epoch();
  void train_on(const Batch<T>& batch);
  void end_epoch();
  void require_save_point(const char* what) const;
  bool ended() const { return interrupted || !history.stop_reason.empty(); }
  std::string where() const;
  const Metric* metric_named(const std::string& name) const;
  void tell(void (Callback::*event)(TrainingRun&));
  void tell_and_save(void (Callback::*event)(TrainingRun&));  // callbacks may save

  Trainer<T>& trainer_;
  const FitOptions& fit_;
  DataLoader<T> loader_;
  Rng rng_;
  TrainingStep<T> train_step_;
  std::vector<std::unique_ptr<Metric>> metrics_;
  std::vector<std::size_t> sum_counts_;  // of the metrics

  std::int64_t first_random_step_ = 0;  // of this run
  double loss_sum_ = 0;                 // over the examples of this epoch
  double rate_ = 0;                     // of the last step
  Scores validation_;                   // of the epoch that ends
  bool saving_ = false;
  BackgroundSaver saver_;
  const class Interrupt* interrupt_ = nullptr;
};

extern template class TrainingSession<float>;
extern template class TrainingSession<double>;

}  // namespace lamina::detail
