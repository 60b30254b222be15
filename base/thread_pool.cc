#include "base/thread_pool.h"

#include <algorithm>
#include <atomic>
#include <memory>

namespace skald {

ThreadPool::ThreadPool(int threads) {
  for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { Run(); });
}

ThreadPool::~ThreadPool() {
  {
    std::lock_guard lock(mu_);
    stopping_ = true;
  }
  wake_.notify_all();
  for (auto& thread : threads_) thread.join();
}

void ThreadPool::Add(std::function<void()> task) {
  {
    std::lock_guard lock(mu_);
    queue_.push_back(std::move(task));
  }
  wake_.notify_one();
}

void ThreadPool::Run() {
  while (true) {
    std::function<void()> task;
    {
      std::unique_lock lock(mu_);
      wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
      if (queue_.empty()) return;
      task = std::move(queue_.front());
      queue_.pop_front();
    }
    task();
  }
}

void ThreadPool::ParallelFor(int n, const std::function<void(int)>& task) {
  struct State {
    std::atomic<int> next{0};
    int done = 0;  // guarded by mu
    std::mutex mu;
    std::condition_variable all_done;
  };
  // Helpers that find no work left may outlive this call, so the state is shared; task is only used while
  // work is left.
  auto state = std::make_shared<State>();
  const auto work = [state, n, &task] {
    int finished = 0;
    for (int i = state->next.fetch_add(1); i < n; i = state->next.fetch_add(1)) {
      task(i);
      ++finished;
    }
    if (finished == 0) return;
    std::lock_guard lock(state->mu);
    state->done += finished;
    if (state->done == n) state->all_done.notify_all();
  };
  for (int i = 0; i < std::min(n - 1, size()); ++i) Add(work);
  work();
  std::unique_lock lock(state->mu);
  state->all_done.wait(lock, [&] { return state->done == n; });
}

}  // namespace skald
