// Random entries and random queries about them, made from a seed: the same seed, the same cases.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "query/exec/testing/oracle.h"

namespace skald::oracle {

// Numbers that are the same on every machine.
class Random {
 public:
  explicit Random(uint64_t seed) : engine_(seed) {}
  // 0 to below - 1.
  size_t Below(size_t below) { return engine_() % below; }
  bool OneIn(size_t n) { return Below(n) == 0; }
  template <class T, size_t N>
  const T& Of(const T (&choices)[N]) {
    return choices[Below(N)];
  }
  template <class T>
  const T& Of(const std::vector<T>& choices) {
    return choices[Below(choices.size())];
  }

 private:
  std::mt19937_64 engine_;
};

struct Dataset {
  std::vector<StoredEntry> entries;  // in order of arrival
  bool sound_json = false;           // no line begins like JSON without being it
};

// Times lie in [kBeginNs, kBeginNs + kSpanNs).
inline constexpr int64_t kBeginNs = int64_t{1'793'534'410} * 1'000'000'000;
inline constexpr int64_t kSpanNs = int64_t{120} * 1'000'000'000;

Dataset MakeDataset(Random* random);

struct Question {
  QueryParams params;
};

// Of the language with its extensions. Most of them run; a few have errors that any engine must find.
Question MakeQuestion(const Dataset& data, Random* random);

}  // namespace skald::oracle
