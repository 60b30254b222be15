// What each entry of a push is held against: age, length, and size of its metadata.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "server/tenant/limits.h"

namespace skald::server {

// Of one push. limits outlives it.
class EntryRules {
 public:
  EntryRules(const Limits* limits, int64_t now_ns);

  // The first rule that the entry breaks, in Loki's order, as a discard reason; nullptr for none.
  const char* Broken(int64_t time_ns, size_t line_bytes, uint64_t metadata_bytes,
                     uint64_t metadata_count) const;
  // Loki's text for it.
  std::string Message(std::string_view reason, std::string_view stream, int64_t time_ns, size_t line_bytes,
                      uint64_t metadata_bytes, uint64_t metadata_count) const;

  const Limits& limits() const { return *limits_; }
  int64_t now_ns() const { return now_ns_; }

 private:
  bool TooLong(size_t line_bytes) const {
    return limits_->max_line_size > 0 && line_bytes > limits_->max_line_size &&
           !limits_->max_line_size_truncate;
  }

  const Limits* const limits_;
  const int64_t now_ns_;
  int64_t oldest_ns_;  // kMinTimeNs: any
  int64_t newest_ns_;  // kMaxTimeNs: any
};

}  // namespace skald::server
