// A BlobStore in memory, whose contents a test may read and damage. Thread-safe.
#pragma once

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>

#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "storage/segment/blob_store.h"

namespace skald {

class MemoryBlob : public Blob {
 public:
  MemoryBlob(std::string name, std::string bytes)
      : Blob(std::move(name), bytes.size()), bytes_(std::move(bytes)) {}
  absl::Status Read(uint64_t offset, size_t n, char* buffer) const override {
    if (offset > size() || n > size() - offset) return OutOfRange("{}: {} bytes at {}", name(), n, offset);
    if (n > 0) std::memcpy(buffer, bytes_.data() + offset, n);
    return absl::OkStatus();
  }
  void Expect(uint64_t, size_t) const override {}

 private:
  const std::string bytes_;
};

class MemoryBlobStore : public BlobStore {
 public:
  absl::StatusOr<std::unique_ptr<BlobWriter>> Create(const std::string& name) override {
    absl::MutexLock lock(&mu_);
    if (blobs_.count(name) > 0) return AlreadyExists("{} exists", name);
    return std::make_unique<Writer>(this, name);
  }
  absl::StatusOr<std::shared_ptr<const Blob>> Open(const std::string& name) const override {
    absl::MutexLock lock(&mu_);
    const auto found = blobs_.find(name);
    if (found == blobs_.end()) return NotFound("{}: no such blob", name);
    return std::make_shared<const MemoryBlob>(name, found->second);
  }
  absl::StatusOr<std::vector<std::string>> List() const override {
    absl::MutexLock lock(&mu_);
    std::vector<std::string> names;
    for (const auto& [name, bytes] : blobs_) names.push_back(name);
    return names;
  }
  absl::Status Delete(const std::string& name) override {
    absl::MutexLock lock(&mu_);
    blobs_.erase(name);
    return absl::OkStatus();
  }
  absl::StatusOr<uint64_t> Size(const std::string& name) const override {
    absl::MutexLock lock(&mu_);
    const auto found = blobs_.find(name);
    if (found == blobs_.end()) return NotFound("{}: no such blob", name);
    return found->second.size();
  }

  std::string Get(const std::string& name) const {
    absl::MutexLock lock(&mu_);
    const auto found = blobs_.find(name);
    return found == blobs_.end() ? std::string() : found->second;
  }
  void Put(const std::string& name, std::string bytes) {
    absl::MutexLock lock(&mu_);
    blobs_[name] = std::move(bytes);
  }

 private:
  class Writer : public BlobWriter {
   public:
    Writer(MemoryBlobStore* store, std::string name) : store_(store), name_(std::move(name)) {}
    absl::Status Append(std::string_view bytes) override {
      bytes_.append(bytes);
      return absl::OkStatus();
    }
    uint64_t size() const override { return bytes_.size(); }
    absl::Status Commit() override {
      store_->Put(name_, std::move(bytes_));
      return absl::OkStatus();
    }

   private:
    MemoryBlobStore* const store_;
    const std::string name_;
    std::string bytes_;
  };

  mutable absl::Mutex mu_;
  std::map<std::string, std::string> blobs_ ABSL_GUARDED_BY(mu_);
};

}  // namespace skald
