// A fixed set of threads that run tasks in the order they were added.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace skald {

// Thread-safe. The destructor runs what is queued, then joins.
class ThreadPool {
 public:
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  void Add(std::function<void()> task);
  int size() const { return static_cast<int>(threads_.size()); }

  // Calls task(i) for each i in [0, n), on the pool's threads and on the caller's own, and returns when all
  // are done. Tasks of one call start in order of i. Safe to call from a pool thread: the caller does the
  // work itself if no thread is free.
  void ParallelFor(int n, const std::function<void(int)>& task);

 private:
  void Run();

  std::mutex mu_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> queue_;  // guarded by mu_
  bool stopping_ = false;                    // guarded by mu_
  std::vector<std::thread> threads_;
};

}  // namespace skald
