// parallel_for: the one thread pool of the process.
//
//   parallel_for(tiles, [&](std::int64_t tile) { ... });
//
// calls the function once for every tile in [0, tiles) and returns when all have finished. Which
// thread runs a tile is not fixed, so a caller cuts its work into tiles by shape, never by thread
// count, and combines partial sums in tile order: then results are the same bits on any number of
// threads.
//
// * Workers help, they are never waited for unless they have begun a tile: a parked or descheduled
//   worker delays nothing.
// * Idle workers spin for some 50 us, then park.
// * A nested call, and a call while another host thread uses the pool, run inline on the caller.
// * When tiles throw, the lowest one's exception arrives in the caller; those before it have run.
// * With as many threads as the process has CPUs, each worker is bound to one; the caller is not.
// * Below some 20 us of work a second thread costs more than it gives: pass such work as one tile.
//
// Thread-safety: parallel_for may be called from any thread, also while the program ends;
// set_threads waits for a running job.
#pragma once

#include <cstdint>
#include <type_traits>

namespace lamina {

// The number of threads that work on a job, the caller included. Default: the CPUs that the process
// might use when it started, bounded by the CPU quota of its control group.
int threads();

// At most so many: the system may give fewer. ArgumentError unless 1 <= count <= 256; StateError
// inside a tile of a job that threads share.
void set_threads(int count);

namespace detail {
void run_tiles(std::int64_t tiles, void (*call)(void*, std::int64_t), void* object);
}

template <class Function>
void parallel_for(std::int64_t tiles, Function&& function) {
  using F = std::remove_reference_t<Function>;
  detail::run_tiles(
      tiles, [](void* object, std::int64_t tile) { (*static_cast<F*>(object))(tile); },
      const_cast<void*>(static_cast<const void*>(&function)));
}

}  // namespace lamina
