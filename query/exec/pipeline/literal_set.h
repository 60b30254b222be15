// Looks for several fixed texts at once, in one pass over much text.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "query/logql/needed_literals.h"

namespace skald::exec {

// Immutable, cheap to copy and thread-safe: each scan takes working memory of its own, kept for the next one.
class LiteralSet {
 public:
  // Nullopt where the machine or its library cannot do it, or a literal is empty: look for them one by one
  // then.
  static std::optional<LiteralSet> Make(const std::vector<logql::NeededLiteral>& literals);

  // Calls fn(begin, end) for each place of text at which a literal stands, in order of the ends. False where
  // the scan could not be run; fn may have been called before.
  template <class Fn>
  bool ForEach(std::string_view text, Fn&& fn) const {
    return Scan(
        text,
        [](void* context, size_t begin, size_t end) {
          (*static_cast<std::remove_reference_t<Fn>*>(context))(begin, end);
        },
        const_cast<void*>(static_cast<const void*>(&fn)));
  }

 private:
  struct State;
  static std::optional<LiteralSet> Compile(const std::vector<logql::NeededLiteral>& literals);
  // Whether the library finds every literal wherever it stands, tried out once; a library that loses anything
  // is not used. Hyperscan 5.4.0 (Debian 12 on amd64) finds all. vectorscan 5.4.9, which has the same
  // interface and is Debian's on other machines, does not: of words of several lengths it loses some that
  // stand across its steps of 64 bytes.
  static bool LibraryFindsAll();
  using Call = void (*)(void* context, size_t begin, size_t end);

  explicit LiteralSet(std::shared_ptr<State> state) : state_(std::move(state)) {}
  bool Scan(std::string_view text, Call call, void* context) const;

  std::shared_ptr<State> state_;
};

}  // namespace skald::exec
