// skaldctl fsck: the check is in the server's program, as it needs the data directory; this finds and becomes
// it.
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <iostream>

#include "base/error.h"
#include "base/file.h"
#include "cli/commands.h"

namespace skald::cli {

absl::Status RunFsck(const Options& options, Streams streams) {
  const std::string& directory = options.files.front();
  if (!FileExists(directory))
    return NotFound(
        "{} is not there; fsck runs on the server's machine, on its data directory, while the server is "
        "stopped",
        directory);
  std::error_code error;
  const std::string beside = std::filesystem::read_symlink("/proc/self/exe", error).parent_path() / "skald";
  std::vector<std::string> arguments = {"skald", "fsck"};
  if (options.repair) arguments.emplace_back("--repair");
  arguments.push_back(directory);
  std::vector<char*> raw;
  for (std::string& argument : arguments) raw.push_back(argument.data());
  raw.push_back(nullptr);
  streams.out.flush();
  ::execv(beside.c_str(), raw.data());
  ::execvp("skald", raw.data());
  if (errno == ENOENT)
    return NotFound(
        "no program skald, neither beside skaldctl nor in PATH: run `skald fsck {}` where the server is",
        directory);
  return ErrnoStatus("exec", "skald", errno);
}

}  // namespace skald::cli
