// How far an export is, on one line of a terminal.
#pragma once

#include <chrono>
#include <cstdint>
#include <ostream>
#include <string>

namespace skald::cli {

struct Progress {
  uint64_t parts = 0;
  uint64_t parts_done = 0;
  uint64_t parts_found = 0;  // of those done: by an earlier run
  uint64_t lines = 0;        // of this run
  uint64_t bytes = 0;        // written by this run
};

// [#####---------------]  25%  3/12 parts (1 there)  1200 lines  1.2 MB  300kB/s  4s left
std::string ProgressText(const Progress& progress, double seconds);

// Not thread-safe. Draws at most ten times a second.
class ProgressBar {
 public:
  // out null: draws nothing.
  explicit ProgressBar(std::ostream* out) : out_(out) {}
  void Show(const Progress& progress);
  // The last state, and a new line.
  void Finish(const Progress& progress);

 private:
  double Seconds() const;
  void Draw(const Progress& progress);

  std::ostream* const out_;
  const std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
  std::chrono::steady_clock::time_point drawn_;
  size_t width_ = 0;  // of what stands on the line
};

}  // namespace skald::cli
