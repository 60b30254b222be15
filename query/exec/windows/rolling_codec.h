// Keys and values of what rolling windows keep durably; FORMAT.md describes them. Decoders answer false for
// bytes that the encoders did not make.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/labels.h"
#include "query/exec/windows/rolling_parts.h"

namespace skald::exec {

// To be counted up whenever bytes change, or what an aggregation makes of a line: others are thrown away.
inline constexpr uint64_t kWindowFormat = 1;

inline constexpr char kFormatKey = 'M';
inline constexpr char kHeadKey = 'H';
inline constexpr char kPositionKey = 'P';
inline constexpr char kSpanKey = 'S';
inline constexpr char kNoteKey = 'N';

// What a state is of. 16 bytes name it in the keys.
struct WindowHead {
  std::string tenant;
  std::string key;  // what is read, tile width and phase
  int64_t width_ns = 0;
  int64_t phase_ns = 0;
  int64_t interval_ns = 0;
};
std::string WindowId(std::string_view tenant, std::string_view key);
std::string EncodeHead(const WindowHead& head);
bool DecodeHead(std::string_view bytes, WindowHead* head);

// What a state's spans hold.
struct WindowPosition {
  uint64_t applied = 0;  // all batches up to it
  uint64_t last = 0;     // none above it
  uint64_t files = 0;    // number of the list of files
  uint64_t hidden = 0;   // hash of the deletes
  int64_t span_tiles = 0;
  int64_t known_until_ns = 0;
  int64_t bytes = 0;  // of the spans
  std::map<int64_t, int64_t> ranges;
};
std::string EncodePosition(const WindowPosition& position);
bool DecodePosition(std::string_view bytes, WindowPosition* position);

std::string SpanKey(std::string_view id, int64_t span);
int64_t SpanOfKey(std::string_view key);

// Tiles that follow one another, or one for all of them. Those that are not known are as if they had never
// been.
struct SavedSpan {
  bool folded = false;
  std::vector<RollingTile> tiles;
  std::vector<std::pair<Labels, bool>> series;  // of the parts' numbers; whether it is an error
};
// Null stands for a tile that is not known. series: of the parts' numbers.
std::string EncodeSpan(RangeKernel kernel, bool folded, const std::vector<const RollingTile*>& tiles,
                       const std::function<std::pair<const Labels*, bool>(uint32_t)>& series);
bool DecodeSpan(std::string_view bytes, RangeKernel kernel, SavedSpan* span);

// Times of which lines went, or to which some came late.
struct WindowNote {
  uint64_t batch = 0;                              // they came with batches up to it; 0: they went
  std::vector<std::pair<int64_t, int64_t>> times;  // both inclusive
};
std::string NoteKey(uint64_t number);
uint64_t NoteOfKey(std::string_view key);
std::string EncodeNote(const WindowNote& note);
bool DecodeNote(std::string_view bytes, WindowNote* note);

}  // namespace skald::exec
