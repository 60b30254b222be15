#include "storage/testing/power_loss.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <sstream>

namespace skald {
namespace {

enum class Op : uint8_t {
  kCreate,
  kWrite,
  kTruncate,
  kSync,
  kSyncDirectory,
  kRename,
  kUnlink,
  kNote,
  kBegin
};

struct Entry {
  Op op{};
  uint64_t file = 0;  // inode number
  uint64_t offset = 0;
  std::string name;  // relative to the watched directory
  std::string data;  // of a write; of a rename, the new name
};

struct Watch {
  std::recursive_mutex mu;
  std::string directory;
  int journal = -1;
};

Watch* watch = nullptr;  // never deleted: threads may still write at the end

template <typename Function>
Function Real(const char* name) {
  void* const found = ::dlsym(RTLD_NEXT, name);
  if (found == nullptr) std::abort();
  return reinterpret_cast<Function>(found);
}

void PutNumber(std::string* out, uint64_t number) { out->append(reinterpret_cast<char*>(&number), 8); }
void PutBytes(std::string* out, std::string_view bytes) {
  PutNumber(out, bytes.size());
  out->append(bytes);
}

void Write(const Entry& entry) {
  static const auto real = Real<ssize_t (*)(int, const void*, size_t)>("write");
  std::string out(1, static_cast<char>(entry.op));
  PutNumber(&out, entry.file);
  PutNumber(&out, entry.offset);
  PutBytes(&out, entry.name);
  PutBytes(&out, entry.data);
  if (real(watch->journal, out.data(), out.size()) != static_cast<ssize_t>(out.size())) std::abort();
}

std::string Absolute(const char* path) {
  return path[0] == '/' ? path : std::filesystem::current_path().string() + "/" + path;
}

// Relative to the watched directory; false if it lies elsewhere.
bool Within(const std::string& path, std::string* name) {
  const std::string clean = std::filesystem::path(path).lexically_normal().string();
  if (clean != watch->directory && !clean.starts_with(watch->directory + "/")) return false;
  *name = clean.size() > watch->directory.size() ? clean.substr(watch->directory.size() + 1) : "";
  return true;
}

bool Describe(int fd, std::string* name, struct stat* info) {
  char path[4096];
  const std::string link = "/proc/self/fd/" + std::to_string(fd);
  const ssize_t n = ::readlink(link.c_str(), path, sizeof(path) - 1);
  if (n <= 0 || ::fstat(fd, info) != 0) return false;
  path[n] = '\0';
  std::string text = path;
  if (const std::string gone = " (deleted)"; text.ends_with(gone)) text.resize(text.size() - gone.size());
  return Within(text, name);
}

void NoteWrite(int fd, uint64_t offset, std::string_view data) {
  Entry entry;
  struct stat info {};
  if (data.empty() || !Describe(fd, &entry.name, &info)) return;
  entry.op = Op::kWrite;
  entry.file = info.st_ino;
  entry.offset = offset;
  entry.data = data;
  Write(entry);
}

uint64_t Position(int fd) {
  if ((::fcntl(fd, F_GETFL) & O_APPEND) != 0) {
    struct stat info {};
    ::fstat(fd, &info);
    return static_cast<uint64_t>(info.st_size);
  }
  return static_cast<uint64_t>(std::max<off_t>(::lseek(fd, 0, SEEK_CUR), 0));
}

int NoteSync(int fd, int (*real)(int)) {
  if (watch == nullptr) return real(fd);
  const std::lock_guard lock(watch->mu);
  Entry entry;
  struct stat info {};
  if (!Describe(fd, &entry.name, &info)) return real(fd);
  entry.op = S_ISDIR(info.st_mode) ? Op::kSyncDirectory : Op::kSync;
  entry.file = info.st_ino;
  Write(entry);
  return 0;
}

int NoteOpen(int (*real)(const char*, int, ...), const char* path, int flags, mode_t mode) {
  if (watch == nullptr || (flags & (O_CREAT | O_TRUNC)) == 0) return real(path, flags, mode);
  const std::lock_guard lock(watch->mu);
  Entry entry;
  if (!Within(Absolute(path), &entry.name)) return real(path, flags, mode);
  struct stat info {};
  const bool there = ::stat(path, &info) == 0;
  const int fd = real(path, flags, mode);
  if (fd < 0 || ::fstat(fd, &info) != 0) return fd;
  entry.file = info.st_ino;
  entry.op = there ? Op::kTruncate : Op::kCreate;
  if (!there || (flags & O_TRUNC) != 0) Write(entry);
  return fd;
}

// The watched directory's files as they are, synced.
void NotePresent() {
  if (!std::filesystem::exists(watch->directory)) return;
  for (const auto& found : std::filesystem::recursive_directory_iterator(watch->directory)) {
    if (!found.is_regular_file()) continue;
    const std::string path = found.path().string();
    struct stat info {};
    if (::stat(path.c_str(), &info) != 0) std::abort();
    std::ifstream in(path, std::ios::binary);
    Entry entry;
    entry.file = info.st_ino;
    entry.op = Op::kCreate;
    if (!Within(path, &entry.name)) std::abort();
    Write(entry);
    entry.op = Op::kWrite;
    entry.data = {std::istreambuf_iterator<char>(in), {}};
    if (!entry.data.empty()) Write(entry);
    entry.data.clear();
    entry.op = Op::kSync;
    Write(entry);
    entry.op = Op::kSyncDirectory;
    entry.name = std::filesystem::path(entry.name).parent_path().string();
    Write(entry);
  }
}

template <typename Number>
Number GetNumber(std::istream* in) {
  uint64_t number = 0;
  in->read(reinterpret_cast<char*>(&number), 8);
  return static_cast<Number>(number);
}
std::string GetBytes(std::istream* in) {
  std::string out(GetNumber<size_t>(in), '\0');
  in->read(out.data(), static_cast<std::streamsize>(out.size()));
  return out;
}

std::vector<Entry> ReadJournal(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::vector<Entry> out;
  for (char op = 0; in.get(op);) {
    Entry entry;
    entry.op = static_cast<Op>(op);
    entry.file = GetNumber<uint64_t>(&in);
    entry.offset = GetNumber<uint64_t>(&in);
    entry.name = GetBytes(&in);
    entry.data = GetBytes(&in);
    if (!in) break;  // the process ended within it
    out.push_back(std::move(entry));
  }
  return out;
}

void Apply(const Entry& entry, std::string* content) {
  if (entry.op == Op::kTruncate) return content->resize(entry.offset);
  if (content->size() < entry.offset + entry.data.size()) content->resize(entry.offset + entry.data.size());
  content->replace(entry.offset, entry.data.size(), entry.data);
}

}  // namespace

void WatchDirectory(const std::string& directory, const std::string& journal) {
  auto* made = new Watch();
  made->directory = std::filesystem::path(Absolute(directory.c_str())).lexically_normal().string();
  made->journal = ::open(journal.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (made->journal < 0) std::abort();
  const std::lock_guard lock(made->mu);
  watch = made;
  NotePresent();
  Write({Op::kBegin, 0, 0, "", ""});
}

void NoteInJournal(uint64_t a, uint64_t b) {
  const std::lock_guard lock(watch->mu);
  Write({Op::kNote, a, b, "", ""});
}

size_t JournalSize(const std::string& journal) { return ReadJournal(journal).size(); }

size_t JournalBase(const std::string& journal) {
  const std::vector<Entry> entries = ReadJournal(journal);
  const auto begin =
      std::find_if(entries.begin(), entries.end(), [](const Entry& entry) { return entry.op == Op::kBegin; });
  return static_cast<size_t>(begin - entries.begin());
}

std::vector<JournalNote> MakeCutDirectory(const std::string& journal, size_t cut,
                                          const std::string& directory, std::mt19937* random) {
  std::vector<Entry> entries = ReadJournal(journal);
  entries.resize(std::min(cut, entries.size()));
  std::vector<JournalNote> notes;
  // Files have numbers of this run: the file system gives those of deleted ones out again.
  std::map<uint64_t, uint64_t> number_of_inode;
  uint64_t next_number = 1;
  struct File {
    std::string content;          // that is on the disk
    std::vector<Entry> unsynced;  // that may be
  };
  std::map<uint64_t, File> files;
  std::map<std::string, uint64_t> names;               // that are on the disk
  std::map<std::string, std::vector<Entry>> unsynced;  // changes of names, by directory
  std::map<std::string, uint64_t> seen;                // names as the process sees them
  const auto parent = [](const std::string& name) {
    return std::filesystem::path(name).parent_path().string();
  };
  const auto apply_name = [&](const Entry& entry) {
    switch (entry.op) {
      case Op::kCreate:
        names[entry.name] = entry.file;
        break;
      case Op::kRename:
        names[entry.data] = entry.file;
        if (const auto at = names.find(entry.name); at != names.end() && at->second == entry.file)
          names.erase(at);
        break;
      default:
        if (const auto at = names.find(entry.name); at != names.end() && at->second == entry.file)
          names.erase(at);
        break;
    }
  };
  for (Entry& entry : entries) {
    switch (entry.op) {
      case Op::kNote:
        notes.push_back({entry.file, entry.offset});
        continue;
      case Op::kBegin:
        continue;
      case Op::kCreate:
        entry.file = number_of_inode[entry.file] = next_number++;
        seen[entry.name] = entry.file;
        unsynced[parent(entry.name)].push_back(entry);
        continue;
      case Op::kRename:
      case Op::kUnlink: {
        const auto at = seen.find(entry.name);
        if (at == seen.end()) continue;
        entry.file = at->second;
        seen.erase(at);
        if (entry.op == Op::kRename) seen[entry.data] = entry.file;
        unsynced[parent(entry.name)].push_back(entry);
        continue;
      }
      case Op::kSyncDirectory:
        for (const Entry& change : unsynced[entry.name]) apply_name(change);
        unsynced[entry.name].clear();
        continue;
      default:
        break;
    }
    const auto number = number_of_inode.find(entry.file);
    if (number == number_of_inode.end()) continue;
    File& file = files[number->second];
    if (entry.op == Op::kSync) {
      for (const Entry& change : file.unsynced) Apply(change, &file.content);
      file.unsynced.clear();
    } else {
      file.unsynced.push_back(entry);
    }
  }
  // Of what was not synced: nothing, the beginning, or any of it.
  const auto survivors = [&](size_t count) {
    std::vector<bool> out(count, false);
    const uint32_t how = (*random)() % 3;
    const size_t prefix = count == 0 ? 0 : (*random)() % (count + 1);
    for (size_t i = 0; i < count; ++i) out[i] = how == 1 ? i < prefix : how == 2 && (*random)() % 2 == 0;
    return out;
  };
  for (auto& [where, changes] : unsynced) {
    const std::vector<bool> kept = survivors(changes.size());
    for (size_t i = 0; i < changes.size(); ++i) {
      if (kept[i]) apply_name(changes[i]);
    }
  }
  for (auto& [number, file] : files) {
    const std::vector<bool> kept = survivors(file.unsynced.size());
    for (size_t i = 0; i < file.unsynced.size(); ++i) {
      if (!kept[i]) continue;
      Entry& change = file.unsynced[i];
      if (change.op == Op::kWrite && (*random)() % 4 == 0) {
        // Some of its sectors; where others were is what was there before, or nothing.
        const uint64_t first = change.offset / 512;
        const uint64_t last = (change.offset + change.data.size() - 1) / 512;
        for (uint64_t sector = first; sector <= last; ++sector) {
          if ((*random)() % 2 == 0) continue;
          Entry part = change;
          part.offset = std::max(change.offset, sector * 512);
          const uint64_t end = std::min(change.offset + change.data.size(), (sector + 1) * 512);
          part.data = change.data.substr(part.offset - change.offset, end - part.offset);
          Apply(part, &file.content);
        }
        continue;
      }
      Apply(change, &file.content);
    }
  }
  std::filesystem::create_directories(directory);
  for (const auto& [name, number] : names) {
    const std::filesystem::path path = directory + "/" + name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << files[number].content;
  }
  return notes;
}

}  // namespace skald

// The C library's functions, as this program and its libraries call them.
extern "C" {

int open(const char* path, int flags, ...) {
  va_list list;
  va_start(list, flags);
  const mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(list, mode_t) : 0;
  va_end(list);
  static const auto real = skald::Real<int (*)(const char*, int, ...)>("open");
  return skald::NoteOpen(real, path, flags, mode);
}

int open64(const char* path, int flags, ...) {
  va_list list;
  va_start(list, flags);
  const mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(list, mode_t) : 0;
  va_end(list);
  static const auto real = skald::Real<int (*)(const char*, int, ...)>("open64");
  return skald::NoteOpen(real, path, flags, mode);
}

ssize_t write(int fd, const void* data, size_t size) {
  static const auto real = skald::Real<ssize_t (*)(int, const void*, size_t)>("write");
  if (skald::watch == nullptr) return real(fd, data, size);
  const std::lock_guard lock(skald::watch->mu);
  const uint64_t at = skald::Position(fd);
  const ssize_t n = real(fd, data, size);
  if (n > 0) skald::NoteWrite(fd, at, {static_cast<const char*>(data), static_cast<size_t>(n)});
  return n;
}

ssize_t writev(int fd, const struct iovec* parts, int count) {
  static const auto real = skald::Real<ssize_t (*)(int, const struct iovec*, int)>("writev");
  if (skald::watch == nullptr) return real(fd, parts, count);
  const std::lock_guard lock(skald::watch->mu);
  uint64_t at = skald::Position(fd);
  const ssize_t n = real(fd, parts, count);
  size_t left = n > 0 ? static_cast<size_t>(n) : 0;
  for (int i = 0; i < count && left > 0; ++i) {
    const size_t size = std::min(left, parts[i].iov_len);
    skald::NoteWrite(fd, at, {static_cast<const char*>(parts[i].iov_base), size});
    at += size;
    left -= size;
  }
  return n;
}

ssize_t pwrite(int fd, const void* data, size_t size, off_t at) {
  static const auto real = skald::Real<ssize_t (*)(int, const void*, size_t, off_t)>("pwrite");
  if (skald::watch == nullptr) return real(fd, data, size, at);
  const std::lock_guard lock(skald::watch->mu);
  const ssize_t n = real(fd, data, size, at);
  if (n > 0)
    skald::NoteWrite(fd, static_cast<uint64_t>(at), {static_cast<const char*>(data), static_cast<size_t>(n)});
  return n;
}

ssize_t pwrite64(int fd, const void* data, size_t size, off64_t at) { return pwrite(fd, data, size, at); }

int ftruncate(int fd, off_t size) {
  static const auto real = skald::Real<int (*)(int, off_t)>("ftruncate");
  if (skald::watch == nullptr) return real(fd, size);
  const std::lock_guard lock(skald::watch->mu);
  skald::Entry entry;
  struct stat info {};
  const int result = real(fd, size);
  if (result == 0 && skald::Describe(fd, &entry.name, &info)) {
    entry.op = skald::Op::kTruncate;
    entry.file = info.st_ino;
    entry.offset = static_cast<uint64_t>(size);
    skald::Write(entry);
  }
  return result;
}

int ftruncate64(int fd, off64_t size) { return ftruncate(fd, size); }

int fsync(int fd) {
  static const auto real = skald::Real<int (*)(int)>("fsync");
  return skald::NoteSync(fd, real);
}

int fdatasync(int fd) {
  static const auto real = skald::Real<int (*)(int)>("fdatasync");
  return skald::NoteSync(fd, real);
}

int rename(const char* from, const char* to) {
  static const auto real = skald::Real<int (*)(const char*, const char*)>("rename");
  if (skald::watch == nullptr) return real(from, to);
  const std::lock_guard lock(skald::watch->mu);
  skald::Entry entry;
  const bool within =
      skald::Within(skald::Absolute(from), &entry.name) && skald::Within(skald::Absolute(to), &entry.data);
  const int result = real(from, to);
  entry.op = skald::Op::kRename;
  if (result == 0 && within) skald::Write(entry);
  return result;
}

int unlink(const char* path) {
  static const auto real = skald::Real<int (*)(const char*)>("unlink");
  if (skald::watch == nullptr) return real(path);
  const std::lock_guard lock(skald::watch->mu);
  skald::Entry entry;
  const bool within = skald::Within(skald::Absolute(path), &entry.name);
  const int result = real(path);
  entry.op = skald::Op::kUnlink;
  if (result == 0 && within) skald::Write(entry);
  return result;
}

}  // extern "C"
