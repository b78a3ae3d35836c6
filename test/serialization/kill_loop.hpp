// Processes that are killed (SIGKILL) while they save.
#pragma once

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <chrono>
#include <iostream>
#include <lamina/serialization/generations.hpp>
#include <random>
#include <serialization/small_network.hpp>
#include <support/files.hpp>
#include <thread>

namespace lamina::test {

// A child saves a counter that grows, alone and as generations, and tells after each save how far
// it is; it is killed at a random moment. What is found must be whole and at least as new as told.
inline void kill_while_saving(int kills) {
  const TemporaryFolder folder;
  const std::string base = folder.path().string(), file = base + "/file";
  Run<float> run;
  run.train(1);
  run.progress.history.assign(20000, 0.5);  // a file that takes a moment
  const auto parts = [](Run<float>& r) {
    return CheckpointParts<float>{r.net, &r.optimizer, &r.progress};
  };
  std::mt19937 random(1);
  std::int64_t told = 0, newest = 0, most_at_once = 0;
  for (int kill_number = 0; kill_number < kills; ++kill_number) {
    int pipe_ends[2];
    BOOST_REQUIRE(pipe(pipe_ends) == 0);
    const std::int64_t begin = newest;
    const pid_t child = fork();
    BOOST_REQUIRE(child >= 0);
    if (child == 0) {
      for (std::int64_t n = begin + 1;; ++n) {
        run.progress.epoch = n;
        save_checkpoint(file, parts(run));
        save_generation(base, parts(run), {.keep = 2});
        if (write(pipe_ends[1], &n, sizeof n) != sizeof n) _exit(1);
      }
    }
    close(pipe_ends[1]);
    std::int64_t number = 0;
    if (begin == 0 && read(pipe_ends[0], &number, sizeof number) == sizeof number) told = number;
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 30000));
    kill(child, SIGKILL);
    int status = 0;
    waitpid(child, &status, 0);
    BOOST_REQUIRE(WIFSIGNALED(status));
    while (read(pipe_ends[0], &number, sizeof number) == sizeof number) told = number;
    close(pipe_ends[0]);
    most_at_once = std::max(most_at_once, told - begin);

    Run<float> alone, latest;
    load_checkpoint(file, parts(alone));
    const LoadedGeneration loaded = load_latest(base, parts(latest));
    BOOST_TEST(loaded.skipped.empty());
    for (const Run<float>* found : {&alone, &latest}) {
      BOOST_TEST(found->progress.epoch >= told);
      BOOST_TEST(found->progress.epoch <= std::max(told, begin) + 1);
      newest = std::max(newest, found->progress.epoch);
    }
  }
  // What the killed ones left is swept by the next save.
  save_checkpoint(file, parts(run));
  save_generation(base, parts(run), {.keep = 2});
  BOOST_TEST(std::distance(std::filesystem::directory_iterator(folder.path()), {}) == 3);
  std::cout << kills << " processes killed while saving: every file whole, none older than told\n";
  BOOST_TEST(most_at_once > 0);
}

}  // namespace lamina::test
