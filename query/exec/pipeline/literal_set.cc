#include "query/exec/pipeline/literal_set.h"

#include <hs.h>

#include <limits>
#include <mutex>
#include <string>

namespace skald::exec {

struct LiteralSet::State {
  struct FreeDatabase {
    void operator()(hs_database_t* database) const { hs_free_database(database); }
  };
  struct FreeScratch {
    void operator()(hs_scratch_t* scratch) const { hs_free_scratch(scratch); }
  };
  using Scratch = std::unique_ptr<hs_scratch_t, FreeScratch>;

  // Null where there is no memory.
  Scratch Take() {
    const std::lock_guard<std::mutex> lock(mutex);
    if (!idle.empty()) {
      Scratch scratch = std::move(idle.back());
      idle.pop_back();
      return scratch;
    }
    hs_scratch_t* made = nullptr;
    return Scratch(hs_alloc_scratch(database.get(), &made) == HS_SUCCESS ? made : nullptr);
  }
  void Return(Scratch scratch) {
    const std::lock_guard<std::mutex> lock(mutex);
    idle.push_back(std::move(scratch));
  }

  std::unique_ptr<hs_database_t, FreeDatabase> database;
  std::vector<size_t> sizes;  // of the literals
  std::mutex mutex;
  std::vector<Scratch> idle;  // as many as there were scans at a time
};

namespace {

struct Running {
  const size_t* sizes;
  void (*call)(void* context, size_t begin, size_t end);
  void* context;
};

int OnMatch(unsigned int id, unsigned long long, unsigned long long to, unsigned int, void* context) {
  const auto& running = *static_cast<const Running*>(context);
  running.call(running.context, to - running.sizes[id], to);
  return 0;
}

}  // namespace

std::optional<LiteralSet> LiteralSet::Make(const std::vector<logql::NeededLiteral>& literals) {
  if (!LibraryFindsAll()) return std::nullopt;
  return Compile(literals);
}

bool LiteralSet::LibraryFindsAll() {
  static const bool finds_all = [] {
    const std::vector<std::vector<logql::NeededLiteral>> sets = {
        {{"GET", false}, {"POST", false}},
        {{"alpha", false}, {"beta", false}, {"gamma", false}, {"delta", false}},
        {{"error", true}, {"warn", true}}};
    constexpr size_t kSize = 200;
    constexpr size_t kStarts = 16;
    for (const auto& literals : sets) {
      const std::optional<LiteralSet> set = Compile(literals);
      if (!set.has_value()) return false;
      for (const logql::NeededLiteral& literal : literals) {
        for (size_t at = 0; at + literal.text.size() <= kSize; ++at) {
          const size_t start = at % kStarts;
          std::string text(start + kSize, '.');
          text.replace(start + at, literal.text.size(), literal.text);
          bool found = false;
          const std::string_view scanned = std::string_view(text).substr(start);
          const bool ran = set->ForEach(scanned, [&](size_t begin, size_t) { found |= begin == at; });
          if (!ran || !found) return false;
        }
      }
    }
    return true;
  }();
  return finds_all;
}

std::optional<LiteralSet> LiteralSet::Compile(const std::vector<logql::NeededLiteral>& literals) {
  if (literals.empty() || hs_valid_platform() != HS_SUCCESS) return std::nullopt;
  auto state = std::make_shared<State>();
  std::vector<const char*> texts;
  std::vector<unsigned> flags;
  std::vector<unsigned> ids;
  for (const logql::NeededLiteral& literal : literals) {
    if (literal.text.empty()) return std::nullopt;
    texts.push_back(literal.text.data());
    flags.push_back(literal.fold_ascii ? HS_FLAG_CASELESS : 0);
    ids.push_back(static_cast<unsigned>(ids.size()));
    state->sizes.push_back(literal.text.size());
  }
  hs_database_t* database = nullptr;
  hs_compile_error_t* error = nullptr;
  const hs_error_t result =
      hs_compile_lit_multi(texts.data(), flags.data(), ids.data(), state->sizes.data(),
                           static_cast<unsigned>(texts.size()), HS_MODE_BLOCK, nullptr, &database, &error);
  if (error != nullptr) hs_free_compile_error(error);
  if (result != HS_SUCCESS) return std::nullopt;
  state->database.reset(database);
  State::Scratch scratch = state->Take();
  if (scratch == nullptr) return std::nullopt;
  state->Return(std::move(scratch));
  return LiteralSet(std::move(state));
}

bool LiteralSet::Scan(std::string_view text, Call call, void* context) const {
  if (text.size() > std::numeric_limits<unsigned>::max()) return false;
  State::Scratch scratch = state_->Take();
  if (scratch == nullptr) return false;
  Running running{state_->sizes.data(), call, context};
  const hs_error_t result = hs_scan(state_->database.get(), text.data(), static_cast<unsigned>(text.size()),
                                    0, scratch.get(), OnMatch, &running);
  state_->Return(std::move(scratch));
  return result == HS_SUCCESS;
}

}  // namespace skald::exec
