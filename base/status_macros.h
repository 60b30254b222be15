// RETURN_IF_ERROR and ASSIGN_OR_RETURN for absl::Status, and CHECK for our own bugs.
// (abseil 20220623, which Debian 12 ships, has neither.)
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstdio>
#include <cstdlib>
#include <utility>

#define SKALD_CONCAT_INNER(a, b) a##b
#define SKALD_CONCAT(a, b) SKALD_CONCAT_INNER(a, b)

#define RETURN_IF_ERROR(expr)                                                        \
  do {                                                                               \
    if (absl::Status skald_status = (expr); !skald_status.ok()) return skald_status; \
  } while (false)

// ASSIGN_OR_RETURN(auto x, F()): x = value, or the enclosing function returns F's error.
#define ASSIGN_OR_RETURN(lhs, expr) SKALD_ASSIGN_OR_RETURN(SKALD_CONCAT(skald_or_, __LINE__), lhs, expr)
#define SKALD_ASSIGN_OR_RETURN(tmp, lhs, expr)   \
  auto tmp = (expr);                             \
  if (!tmp.ok()) return std::move(tmp).status(); \
  lhs = std::move(tmp).value()

// A broken invariant of ours, never bad input: says where and ends the process.
#define SKALD_CHECK(condition)                                                               \
  do {                                                                                       \
    if (!(condition)) {                                                                      \
      std::fprintf(stderr, "%s:%d: broken invariant: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                          \
    }                                                                                        \
  } while (false)
