// Where immutable files (segments) live: a flat set of names with whole, unchanging contents.
// OpenLocalBlobStore keeps them in a local directory; another implementation may be an object store.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace skald {

// A committed blob, open for reading. Thread-safe. Stays readable for its lifetime, also after it was deleted
// from the store.
class Blob {
 public:
  virtual ~Blob() = default;

  const std::string& name() const { return name_; }
  uint64_t size() const { return size_; }
  // Exactly n bytes from offset on into buffer. OutOfRange if the blob has not that many there; Unavailable
  // for an I/O error.
  virtual absl::Status Read(uint64_t offset, size_t n, char* buffer) const = 0;
  // These bytes will be read soon: begins to bring them near, where that can be done without waiting.
  virtual void Expect(uint64_t offset, size_t n) const = 0;

 protected:
  Blob(std::string name, uint64_t size) : name_(std::move(name)), size_(size) {}

 private:
  const std::string name_;
  const uint64_t size_;
};

// A blob in the making: nobody sees it before Commit. Used by one thread. Destroyed without a successful
// Commit it leaves nothing behind.
class BlobWriter {
 public:
  virtual ~BlobWriter() = default;

  // After an error the writer is of no more use.
  virtual absl::Status Append(std::string_view bytes) = 0;
  // Bytes appended so far.
  virtual uint64_t size() const = 0;
  // OK: the blob is complete under its name, and survives a power cut. Called once, last.
  virtual absl::Status Commit() = 0;
};

// Thread-safe. Names are plain: [A-Za-z0-9._-]+, not beginning with '.'; InvalidArgument for others.
class BlobStore {
 public:
  virtual ~BlobStore() = default;

  // AlreadyExists if there is a blob of that name.
  virtual absl::StatusOr<std::unique_ptr<BlobWriter>> Create(const std::string& name) = 0;
  // NotFound if there is none.
  virtual absl::StatusOr<std::shared_ptr<const Blob>> Open(const std::string& name) const = 0;
  // Committed names, sorted.
  virtual absl::StatusOr<std::vector<std::string>> List() const = 0;
  // Durable when it returns. OK if there is none of that name, so that it may be repeated.
  virtual absl::Status Delete(const std::string& name) = 0;
  virtual absl::StatusOr<uint64_t> Size(const std::string& name) const = 0;
};

// Files of a directory, which is made if it is missing. Unfinished files that a crash left (<name>.tmp) are
// deleted: no two stores may have one directory at a time. Create writes <name>.tmp; Commit syncs it, renames
// it and syncs the directory.
absl::StatusOr<std::unique_ptr<BlobStore>> OpenLocalBlobStore(std::string directory);

}  // namespace skald
