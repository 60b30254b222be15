// The main of a fuzz target where there is no fuzzer: runs it once over each seed given.
//
//   x_fuzz PATH...     a directory: each file in it; a .lines or .txt file: each line of it, # lines too;
//   other
//                      files: all of it
//
// A finding aborts or is reported by a sanitizer, as under the fuzzer. No seed at all is an error.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

size_t RunSeed(std::string_view seed) {
  // A copy of its own, so that a read behind its end is seen.
  const std::vector<uint8_t> bytes(seed.begin(), seed.end());
  LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
  return 1;
}

size_t RunFile(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    std::fprintf(stderr, "cannot read %s\n", path.c_str());
    return 0;
  }
  if (path.extension() == ".lines" || path.extension() == ".txt") {
    size_t seeds = 0;
    for (std::string line; std::getline(file, line);) seeds += RunSeed(line);
    return seeds;
  }
  return RunSeed(std::string(std::istreambuf_iterator<char>(file), {}));
}

size_t RunPath(const std::filesystem::path& path) {
  if (!std::filesystem::is_directory(path)) return RunFile(path);
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(path)) {
    if (entry.is_regular_file()) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  size_t seeds = 0;
  for (const std::filesystem::path& file : files) seeds += RunFile(file);
  return seeds;
}

}  // namespace

int main(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    const size_t seeds = RunPath(argv[i]);
    if (seeds == 0) {
      std::fprintf(stderr, "no seed in %s\n", argv[i]);
      return 1;
    }
    std::printf("%s: %zu seeds\n", argv[i], seeds);
  }
  return argc > 1 ? 0 : 2;
}
