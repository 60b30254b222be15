// Decompression of a file as a stream: gzip, zstd and bzip2, told apart by their first bytes. Files made of
// several members one after the other are read through to the last.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace skald::agent {

enum class Compression { kNone, kGzip, kZstd, kBzip2 };

// By the first bytes of the file; kNone also for a file that is too short to tell.
absl::StatusOr<Compression> DetectCompression(int fd, const std::string& path);

// The length of the text as far as the file says it without being read: gzip's trailer (of files with one
// member and below 4 GiB), zstd's header. Nullopt if it does not.
std::optional<uint64_t> StatedTextSize(Compression kind, int fd, uint64_t file_size, const std::string& path);

// Goes through the text from its beginning, once. Not thread-safe; holds no descriptor.
class Inflater {
 public:
  static std::unique_ptr<Inflater> Create(Compression kind);
  virtual ~Inflater() = default;
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

  // The next bytes of text, at most n (> 0). 0 = there is nothing (more) now; a file that is still being
  // written may have more later. DataLoss if the file is damaged, and from then on.
  absl::StatusOr<size_t> Next(int fd, char* out, size_t n, const std::string& path);
  // Whether what was read so far ends within a member.
  bool inside_member() const { return !between_; }

 protected:
  struct Step {
    size_t consumed = 0;
    size_t produced = 0;
    bool member_end = false;
    bool bad = false;
  };
  Inflater();
  virtual Step Decode(const char* in, size_t in_size, char* out, size_t n) = 0;
  // Before the next member.
  virtual bool Reset() = 0;

 private:
  std::unique_ptr<char[]> input_;
  size_t input_begin_ = 0;
  size_t input_end_ = 0;
  uint64_t read_ = 0;  // of the file
  uint64_t members_ = 0;
  bool between_ = true;  // members
  bool ended_ = false;   // what follows the last member is no member: padding
  bool damaged_ = false;
};

}  // namespace skald::agent
