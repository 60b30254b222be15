#include "storage/segment/blob_store.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "base/error.h"
#include "base/failpoint.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "storage/filenames.h"

namespace skald {
namespace {

absl::Status CheckName(std::string_view name) {
  bool sound = !name.empty() && name[0] != '.' && name.size() <= 200 && !name.ends_with(kTemporarySuffix);
  for (const char c : name) {
    sound = sound && ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '.' || c == '_' || c == '-');
  }
  if (!sound) return InvalidArgument("\"{}\" is no name of a blob", name);
  return absl::OkStatus();
}

class LocalBlob : public Blob {
 public:
  LocalBlob(std::string name, std::string path, uint64_t size, FileDescriptor fd)
      : Blob(std::move(name), size), path_(std::move(path)), fd_(std::move(fd)) {}

  absl::Status Read(uint64_t offset, size_t n, char* buffer) const override {
    if (offset > size() || n > size() - offset) {
      return OutOfRange("{}: {} bytes at {} are beyond its size of {}", path_, n, offset, size());
    }
    ASSIGN_OR_RETURN(const size_t got, ReadAt(fd_.get(), buffer, n, offset, path_));
    if (got < n) return OutOfRange("{}: ends at {}, has been cut since it was opened", path_, offset + got);
    return absl::OkStatus();
  }
  void Expect(uint64_t offset, size_t n) const override {
    ::posix_fadvise(fd_.get(), static_cast<off_t>(offset), static_cast<off_t>(n), POSIX_FADV_WILLNEED);
  }

 private:
  const std::string path_;
  const FileDescriptor fd_;
};

class LocalBlobWriter : public BlobWriter {
 public:
  LocalBlobWriter(std::string directory, const std::string& name, FileDescriptor fd)
      : directory_(std::move(directory)),
        path_(directory_ + "/" + name),
        temporary_(path_ + std::string(kTemporarySuffix)),
        fd_(std::move(fd)) {}
  ~LocalBlobWriter() override {
    if (!committed_) ::unlink(temporary_.c_str());
  }

  absl::Status Append(std::string_view bytes) override {
    RETURN_IF_ERROR(Failpoint("blob.append"));
    RETURN_IF_ERROR(WriteAll(fd_.get(), bytes, temporary_));
    size_ += bytes.size();
    return absl::OkStatus();
  }
  uint64_t size() const override { return size_; }

  absl::Status Commit() override {
    RETURN_IF_ERROR(Failpoint("blob.sync"));
    RETURN_IF_ERROR(SyncData(fd_.get(), temporary_));
    RETURN_IF_ERROR(Failpoint("blob.rename"));
    if (::rename(temporary_.c_str(), path_.c_str()) != 0) return ErrnoStatus("rename", path_, errno);
    committed_ = true;
    absl::Status status = Failpoint("blob.sync_directory");
    if (status.ok()) status = SyncDirectory(directory_);
    if (!status.ok()) {
      ::unlink(
          path_.c_str());  // the caller takes it for not written, so it must not come back as a duplicate
    }
    return status;
  }

 private:
  const std::string directory_;
  const std::string path_;
  const std::string temporary_;
  const FileDescriptor fd_;
  uint64_t size_ = 0;
  bool committed_ = false;
};

class LocalBlobStore : public BlobStore {
 public:
  explicit LocalBlobStore(std::string directory) : directory_(std::move(directory)) {}

  absl::StatusOr<std::unique_ptr<BlobWriter>> Create(const std::string& name) override {
    RETURN_IF_ERROR(CheckName(name));
    if (FileExists(Path(name))) return AlreadyExists("{} exists", Path(name));
    ASSIGN_OR_RETURN(FileDescriptor fd,
                     OpenFile(Path(name) + std::string(kTemporarySuffix), O_WRONLY | O_CREAT | O_TRUNC));
    return std::make_unique<LocalBlobWriter>(directory_, name, std::move(fd));
  }

  absl::StatusOr<std::shared_ptr<const Blob>> Open(const std::string& name) const override {
    RETURN_IF_ERROR(CheckName(name));
    ASSIGN_OR_RETURN(FileDescriptor fd, OpenFile(Path(name), O_RDONLY));
    const off_t size = ::lseek(fd.get(), 0, SEEK_END);  // of this very file, whatever its name means by now
    if (size < 0) return ErrnoStatus("seek", Path(name), errno);
    return std::make_shared<const LocalBlob>(name, Path(name), static_cast<uint64_t>(size), std::move(fd));
  }

  absl::StatusOr<std::vector<std::string>> List() const override {
    ASSIGN_OR_RETURN(std::vector<std::string> names, ListDirectory(directory_));
    std::erase_if(names, [](const std::string& name) { return !CheckName(name).ok(); });
    return names;
  }

  absl::Status Delete(const std::string& name) override {
    RETURN_IF_ERROR(CheckName(name));
    if (absl::Status status = RemoveFile(Path(name)); !status.ok() && !absl::IsNotFound(status))
      return status;
    return SyncDirectory(directory_);
  }

  absl::StatusOr<uint64_t> Size(const std::string& name) const override {
    RETURN_IF_ERROR(CheckName(name));
    return FileSize(Path(name));
  }

 private:
  std::string Path(const std::string& name) const { return directory_ + "/" + name; }

  const std::string directory_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<BlobStore>> OpenLocalBlobStore(std::string directory) {
  RETURN_IF_ERROR(CreateDirectories(directory));
  ASSIGN_OR_RETURN(const std::vector<std::string> names, ListDirectory(directory));
  for (const std::string& name : names) {
    if (name.ends_with(kTemporarySuffix)) RETURN_IF_ERROR(RemoveFile(directory + "/" + name));
  }
  return std::make_unique<LocalBlobStore>(std::move(directory));
}

}  // namespace skald
