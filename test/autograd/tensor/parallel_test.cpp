#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <boost/test/unit_test.hpp>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <lamina/autograd/tensor/parallel.hpp>
#include <mutex>
#include <numeric>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "support/address_space.hpp"
#include "support/refusal.hpp"
#include "support/sanitizers.hpp"

using namespace lamina;
using namespace lamina::test;

namespace {

struct RestoredThreads {
  const int before = threads();
  ~RestoredThreads() { set_threads(before); }
};

// Every tile counts its calls.
bool each_tile_runs_once(std::int64_t tiles) {
  std::vector<std::atomic<int>> calls(static_cast<std::size_t>(tiles));
  parallel_for(tiles, [&](std::int64_t tile) { ++calls.at(static_cast<std::size_t>(tile)); });
  return std::all_of(calls.begin(), calls.end(), [](const auto& count) { return count == 1; });
}

void work_for(std::chrono::microseconds time) {
  const auto end = std::chrono::steady_clock::now() + time;
  while (std::chrono::steady_clock::now() < end) {
  }
}

// Computes when everything that was made after the start of the program is destroyed already.
struct ComputesAtTheEnd {
  bool asked = false;
  ~ComputesAtTheEnd() {
    if (asked) std::_Exit(each_tile_runs_once(100) ? 42 : 1);
  }
} computes_at_the_end;

// The exit status of a child that does so, or -1: it did not end within ten seconds.
template <class Function>
int status_of_a_child(Function&& function) {
  const pid_t child = fork();
  BOOST_REQUIRE(child >= 0);
  if (child == 0) {
    function();
    std::_Exit(1);
  }
  int status = 0;
  pid_t ended = 0;
  for (int patience = 0; ended == 0 && patience < 1000; ++patience) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    ended = waitpid(child, &status, WNOHANG);
  }
  if (ended == 0) kill(child, SIGKILL);
  return ended == child && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(parallel, RestoredThreads)

BOOST_AUTO_TEST_CASE(every_tile_runs_once_on_any_number_of_threads) {
  for (const int count : {1, 2, 3, 7, 16}) {
    set_threads(count);
    BOOST_TEST(threads() == count);
    for (const std::int64_t tiles : {0, 1, 2, 3, 5, 16, 17, 1000}) {
      BOOST_TEST(each_tile_runs_once(tiles), count << " threads, " << tiles << " tiles");
    }
  }
}

BOOST_AUTO_TEST_CASE(many_short_jobs_in_a_row_are_complete) {
  for (const int count : {2, 5}) {
    set_threads(count);
    std::int64_t total = 0;
    for (int job = 0; job < 20000; ++job) {
      std::atomic<std::int64_t> sum{0};
      parallel_for(4, [&](std::int64_t tile) { sum += tile + job; });
      total += sum;
    }
    BOOST_TEST(total == 4LL * (20000LL * 19999 / 2) + 6LL * 20000);
  }
}

BOOST_AUTO_TEST_CASE(jobs_arrive_after_the_workers_parked) {
  set_threads(4);
  for (int job = 0; job < 30; ++job) {
    std::this_thread::sleep_for(std::chrono::microseconds(job % 3 == 0 ? 2000 : 60));
    BOOST_REQUIRE(each_tile_runs_once(64));
  }
}

BOOST_AUTO_TEST_CASE(several_threads_share_long_work) {
  set_threads(4);
  std::set<std::thread::id> helpers;
  std::mutex mutex;
  for (int attempt = 0; attempt < 200 && helpers.size() < 2; ++attempt) {
    parallel_for(64, [&](std::int64_t) {
      work_for(std::chrono::microseconds(200));
      std::lock_guard lock(mutex);
      helpers.insert(std::this_thread::get_id());
    });
  }
  BOOST_TEST(helpers.size() >= 2u);
}

// The sum of tiles in tile order is the same bits, whoever computed them.
BOOST_AUTO_TEST_CASE(results_are_the_same_bits_on_any_number_of_threads) {
  std::vector<double> values(100003);
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = std::sin(static_cast<double>(i)) * 1e3;
  const auto sum = [&] {
    constexpr std::int64_t kTile = 1024;
    const auto size = static_cast<std::int64_t>(values.size());
    std::vector<double> parts(static_cast<std::size_t>((size + kTile - 1) / kTile));
    parallel_for(static_cast<std::int64_t>(parts.size()), [&](std::int64_t tile) {
      double part = 0;
      for (std::int64_t i = tile * kTile; i < std::min(size, (tile + 1) * kTile); ++i) {
        part += values[static_cast<std::size_t>(i)];
      }
      parts[static_cast<std::size_t>(tile)] = part;
    });
    return std::accumulate(parts.begin(), parts.end(), 0.0);
  };
  set_threads(1);
  const double expected = sum();
  for (const int count : {2, 3, 8}) {
    set_threads(count);
    for (int times = 0; times < 20; ++times) BOOST_TEST(sum() == expected);
  }
}

BOOST_AUTO_TEST_CASE(exceptions_arrive_and_the_pool_lives_on) {
  for (const int count : {1, 2, 5}) {
    set_threads(count);
    for (int times = 0; times < 50; ++times) {
      BOOST_CHECK_EXCEPTION(parallel_for(100,
                                         [&](std::int64_t tile) {
                                           if (tile == 37) throw std::runtime_error("tile 37");
                                         }),
                            std::runtime_error, [](const std::exception& error) {
                              return std::string(error.what()) == "tile 37";
                            });
    }
    BOOST_TEST(each_tile_runs_once(100));
  }
}

// Tile 0 fails after tile 1 has, where a second thread takes that one in time.
BOOST_AUTO_TEST_CASE(the_exception_of_the_lowest_tile_arrives) {
  set_threads(2);
  int met = 0;
  for (int times = 0; times < 50 && met < 3; ++times) {
    std::atomic<bool> second_fails{false};
    std::string text;
    try {
      parallel_for(2, [&](std::int64_t tile) {
        if (tile == 1) {
          second_fails = true;
          throw std::runtime_error("tile 1");
        }
        for (int patience = 0; !second_fails && patience < 100; ++patience) {
          std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
        throw std::runtime_error("tile 0");
      });
    } catch (const std::runtime_error& error) {
      text = error.what();
    }
    BOOST_REQUIRE_EQUAL(text, "tile 0");
    met += second_fails;
  }
  BOOST_TEST(met > 0);
}

BOOST_AUTO_TEST_CASE(exceptions_of_any_type_keep_it) {
  set_threads(3);
  BOOST_CHECK_THROW(parallel_for(9, [](std::int64_t) { throw 7; }), int);
  BOOST_CHECK_THROW(parallel_for(9, [](std::int64_t) { throw ShapeError("a", "b"); }), ShapeError);
}

BOOST_AUTO_TEST_CASE(nested_calls_run_inline) {
  set_threads(4);
  std::atomic<std::int64_t> sum{0};
  std::atomic<int> elsewhere{0};
  parallel_for(8, [&](std::int64_t outer) {
    const auto me = std::this_thread::get_id();
    parallel_for(8, [&](std::int64_t inner) {
      if (std::this_thread::get_id() != me) ++elsewhere;
      parallel_for(3, [&](std::int64_t) { sum += 8 * outer + inner; });
    });
  });
  BOOST_TEST(sum == 3 * 64 * 63 / 2);
  BOOST_TEST(elsewhere == 0);
  BOOST_CHECK_THROW(parallel_for(8,
                                 [](std::int64_t) {
                                   parallel_for(8, [](std::int64_t tile) {
                                     if (tile == 3) throw std::logic_error("inner");
                                   });
                                 }),
                    std::logic_error);
  BOOST_TEST(each_tile_runs_once(100));
}

BOOST_AUTO_TEST_CASE(several_host_threads_may_call_at_once) {
  set_threads(3);
  std::vector<std::thread> callers;
  std::atomic<int> wrong{0};
  for (int caller = 0; caller < 4; ++caller) {
    callers.emplace_back([&, caller] {
      for (int job = 0; job < 300; ++job) {
        if (!each_tile_runs_once(1 + (job * 7 + caller) % 40)) ++wrong;
        try {
          parallel_for(5, [&](std::int64_t tile) {
            if (tile == job % 7) throw caller;
          });
          if (job % 7 < 5) ++wrong;
        } catch (int who) {
          if (who != caller || job % 7 >= 5) ++wrong;
        }
      }
    });
  }
  for (auto& caller : callers) caller.join();
  BOOST_TEST(wrong == 0);
}

BOOST_AUTO_TEST_CASE(the_pool_may_be_resized_while_others_call) {
  std::atomic<bool> stop{false};
  std::atomic<int> wrong{0};
  std::thread caller([&] {
    while (!stop) {
      if (!each_tile_runs_once(33)) ++wrong;
    }
  });
  for (int times = 0; times < 60; ++times) {
    set_threads(1 + times % 5);
    std::this_thread::yield();
  }
  stop = true;
  caller.join();
  BOOST_TEST(wrong == 0);
}

BOOST_AUTO_TEST_CASE(counts_out_of_range_are_refused) {
  set_threads(2);
  refuses<ArgumentError>("[set_threads] the number of threads must lie in [1, 256]; got 0",
                         [] { set_threads(0); });
  refuses<ArgumentError>("[set_threads] the number of threads must lie in [1, 256]; got 257",
                         [] { set_threads(257); });
  refuses<ArgumentError>("[set_threads] the number of threads must lie in [1, 256]; got -1",
                         [] { set_threads(-1); });
  BOOST_TEST(threads() == 2);
}

BOOST_AUTO_TEST_CASE(a_tile_must_not_resize_the_pool) {
  set_threads(2);
  refuses<StateError>("[set_threads] must not be called inside parallel_for; got a call by a tile",
                      [] { parallel_for(4, [](std::int64_t) { set_threads(3); }); });
  BOOST_TEST(threads() == 2);
}

BOOST_AUTO_TEST_CASE(the_largest_pool_works) {
  set_threads(256);
  BOOST_TEST(each_tile_runs_once(1000));
  set_threads(1);
}

// Each wants megabytes for its stack.
BOOST_AUTO_TEST_CASE(works_with_fewer_threads_than_asked) {
  if (kAddressSanitizer || kThreadSanitizer) return;  // their own memory is without bounds
  set_threads(1);
  const LimitedAddressSpace limited(std::size_t{1} << 26);
  set_threads(256);
  BOOST_TEST(each_tile_runs_once(1000));
  set_threads(1);
}

// A child has none of the workers: it must work alone and must not wait for them when it ends.
BOOST_AUTO_TEST_CASE(a_forked_child_works_and_ends) {
  if (kAddressSanitizer || kThreadSanitizer) return;  // their own threads do not survive a fork
  set_threads(3);
  BOOST_REQUIRE(each_tile_runs_once(100));
  const int status = status_of_a_child([] {
    const bool right = each_tile_runs_once(100);
    set_threads(2);
    std::quick_exit(right && each_tile_runs_once(100) ? 42 : 1);
  });
  BOOST_TEST(status == 42);
}

BOOST_AUTO_TEST_CASE(static_objects_may_compute_while_the_program_ends) {
  if (kAddressSanitizer || kThreadSanitizer) return;
  const int status = status_of_a_child([] {
    set_threads(3);
    each_tile_runs_once(100);
    computes_at_the_end.asked = true;
    std::exit(1);
  });
  BOOST_TEST(status == 42);
}

// Where they run is the kernel's choice: where they may is the pool's.
BOOST_AUTO_TEST_CASE(a_bound_thread_does_not_confine_the_workers) {
  cpu_set_t whole;
  BOOST_REQUIRE(sched_getaffinity(0, sizeof whole, &whole) == 0);
  if (CPU_COUNT(&whole) < 2) return;
  std::thread([&] {
    cpu_set_t one;
    CPU_ZERO(&one);
    for (int cpu = 0; CPU_COUNT(&one) == 0; ++cpu) {
      if (CPU_ISSET(cpu, &whole)) CPU_SET(cpu, &one);
    }
    BOOST_REQUIRE(sched_setaffinity(0, sizeof one, &one) == 0);
    const auto caller = std::this_thread::get_id();
    for (const int count : {CPU_COUNT(&whole), CPU_COUNT(&whole) + 1}) {
      set_threads(1);
      set_threads(count);
      std::mutex mutex;
      int helpers = 0, confined = 0;
      for (int attempt = 0; attempt < 200 && helpers == 0; ++attempt) {
        parallel_for(64, [&](std::int64_t) {
          work_for(std::chrono::microseconds(200));
          if (std::this_thread::get_id() == caller) return;
          cpu_set_t own;
          const bool known = sched_getaffinity(0, sizeof own, &own) == 0;
          std::lock_guard lock(mutex);
          ++helpers;
          confined += known && CPU_EQUAL(&own, &one) ? 1 : 0;
        });
      }
      BOOST_TEST(helpers > 0);
      BOOST_TEST(confined == 0);
    }
  }).join();
}

BOOST_AUTO_TEST_SUITE_END()
