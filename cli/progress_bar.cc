#include "cli/progress_bar.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/config.h"
#include "base/types.h"
#include "text/units.h"

namespace skald::cli {
namespace {

constexpr uint64_t kCells = 20;

}  // namespace

std::string ProgressText(const Progress& progress, double seconds) {
  const uint64_t parts = std::max<uint64_t>(progress.parts, 1);
  const uint64_t filled = progress.parts_done * kCells / parts;
  std::string text =
      fmt::format("[{}{}] {:>3}%  {}/{} parts", std::string(filled, '#'), std::string(kCells - filled, '-'),
                  progress.parts_done * 100 / parts, progress.parts_done, progress.parts);
  if (progress.parts_found > 0) text += fmt::format(" ({} there)", progress.parts_found);
  text += fmt::format("  {} lines  {}", progress.lines, FormatHumanBytes(progress.bytes));
  if (seconds > 0)
    text += fmt::format(
        "  {}/s", FormatHumanBytes(static_cast<uint64_t>(static_cast<double>(progress.bytes) / seconds)));
  const uint64_t made = progress.parts_done - progress.parts_found;
  if (made > 0 && progress.parts_done < progress.parts) {
    const double left =
        seconds / static_cast<double>(made) * static_cast<double>(progress.parts - progress.parts_done);
    text += fmt::format("  {} left", FormatConfigDuration(static_cast<int64_t>(left) * kNsPerSecond));
  }
  return text;
}

double ProgressBar::Seconds() const {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count();
}

void ProgressBar::Draw(const Progress& progress) {
  const std::string text = ProgressText(progress, Seconds());
  *out_ << '\r' << text;
  if (text.size() < width_) *out_ << std::string(width_ - text.size(), ' ');
  width_ = text.size();
  out_->flush();
}

void ProgressBar::Show(const Progress& progress) {
  const auto now = std::chrono::steady_clock::now();
  if (out_ == nullptr || now - drawn_ < std::chrono::milliseconds(100)) return;
  drawn_ = now;
  Draw(progress);
}

void ProgressBar::Finish(const Progress& progress) {
  if (out_ == nullptr) return;
  Draw(progress);
  *out_ << std::endl;
}

}  // namespace skald::cli
