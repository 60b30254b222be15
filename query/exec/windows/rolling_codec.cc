#include "query/exec/windows/rolling_codec.h"

#include <xxhash.h>

#include <algorithm>
#include <bit>
#include <cmath>

#include "base/coding.h"
#include "base/crc32c.h"

namespace skald::exec {
namespace {

// Numbers of kernels stand in spans and, within ReadKey, in heads.
static_assert(static_cast<int>(RangeKernel::kSum) == 0 && static_cast<int>(RangeKernel::kMoments) == 3 &&
              static_cast<int>(RangeKernel::kLast) == 6 && static_cast<int>(RangeKernel::kSamples) == 8);

constexpr double kExact = 9007199254740992.0;  // 2^53

std::string Checked(const std::string& body) {
  std::string out;
  out.reserve(body.size() + 4);
  PutFixed(&out, Crc32c(body));
  return out + body;
}

bool Check(std::string_view bytes, std::string_view* body) {
  if (bytes.size() < 4) return false;
  const auto crc = ByteReader(bytes).Fixed<uint32_t>();
  *body = bytes.substr(4);
  return Crc32c(*body) == crc;
}

void PutBigEndian(std::string* out, uint64_t value) {
  for (int shift = 56; shift >= 0; shift -= 8) out->push_back(static_cast<char>(value >> shift));
}

uint64_t BigEndianAtEnd(std::string_view key) {
  uint64_t value = 0;
  if (key.size() < 8) return 0;
  for (const char c : key.substr(key.size() - 8)) value = value << 8 | static_cast<unsigned char>(c);
  return value;
}

// Twice a whole number, zigzag; or 1 and the bits.
void PutNumber(std::string* out, double value) {
  const bool negative_zero = value == 0 && std::signbit(value);
  if (std::abs(value) < kExact && value == std::trunc(value) && !negative_zero) {
    PutVarint(out, ZigZag(static_cast<int64_t>(value)) << 1);
    return;
  }
  PutVarint(out, 1);
  PutFixed(out, std::bit_cast<uint64_t>(value));
}

double TakeNumber(ByteReader* in) {
  const uint64_t first = in->Varint();
  if ((first & 1) == 0) return static_cast<double>(UnZigZag(first >> 1));
  return std::bit_cast<double>(in->Fixed<uint64_t>());
}

void PutSample(std::string* out, const TimedValue& sample) {
  PutSignedVarint(out, sample.time_ns);
  PutNumber(out, sample.value);
}

TimedValue TakeSample(ByteReader* in) {
  TimedValue sample;
  sample.time_ns = in->SignedVarint();
  sample.value = TakeNumber(in);
  return sample;
}

void PutPart(std::string* out, RangeKernel kernel, const RollingPart& part) {
  switch (kernel) {
    case RangeKernel::kValues:
      PutVarint(out, part.values == nullptr ? 0 : part.values->entries());
      if (part.values == nullptr) return;
      part.values->Visit([out](double value, uint64_t count) {
        PutNumber(out, value);
        PutVarint(out, count);
      });
      return;
    case RangeKernel::kSamples: {
      const CounterRun run = part.run == nullptr ? CounterRun() : *part.run;
      PutVarint(out, run.count);
      PutSample(out, run.first);
      PutSample(out, run.last);
      PutNumber(out, run.lost);
      return;
    }
    default:
      PutVarint(out, part.cell.count);
      PutNumber(out, part.cell.a);
      if (kernel == RangeKernel::kMoments) PutNumber(out, part.cell.b);
      if (NeedsOrder(kernel)) PutSignedVarint(out, part.cell.time_ns);
      return;
  }
}

void TakePart(ByteReader* in, RangeKernel kernel, RollingPart* part) {
  switch (kernel) {
    case RangeKernel::kValues: {
      part->values = std::make_unique<ValueBag>();
      for (uint64_t n = in->Varint(); n > 0 && in->ok(); --n) {
        const double value = TakeNumber(in);
        part->values->Add(value, in->Varint());
      }
      return;
    }
    case RangeKernel::kSamples:
      part->run = std::make_unique<CounterRun>();
      part->run->count = in->Varint();
      part->run->first = TakeSample(in);
      part->run->last = TakeSample(in);
      part->run->lost = TakeNumber(in);
      return;
    default:
      part->cell.count = in->Varint();
      part->cell.a = TakeNumber(in);
      if (kernel == RangeKernel::kMoments) part->cell.b = TakeNumber(in);
      if (NeedsOrder(kernel)) part->cell.time_ns = in->SignedVarint();
      return;
  }
}

std::string SeriesText(const Labels& labels, bool is_error) {
  std::string out(1, is_error ? '\1' : '\0');
  for (const auto& [name, value] : labels) {
    PutText(&out, name);
    PutText(&out, value);
  }
  return out;
}

bool ParseSeries(std::string_view text, std::pair<Labels, bool>* out) {
  if (text.empty()) return false;
  std::vector<Labels::Pair> pairs;
  ByteReader in(text.substr(1));
  while (in.ok() && in.remaining() > 0) {
    std::string name(in.Text());
    pairs.emplace_back(std::move(name), std::string(in.Text()));
  }
  *out = {Labels(std::move(pairs)), text[0] != '\0'};
  return in.ok();
}

}  // namespace

std::string WindowId(std::string_view tenant, std::string_view key) {
  std::string text;
  PutText(&text, tenant);
  text += key;
  const XXH128_hash_t hash = XXH3_128bits(text.data(), text.size());
  std::string id;
  PutBigEndian(&id, hash.high64);
  PutBigEndian(&id, hash.low64);
  return id;
}

std::string EncodeHead(const WindowHead& head) {
  std::string body;
  PutText(&body, head.tenant);
  PutText(&body, head.key);
  PutVarint(&body, static_cast<uint64_t>(head.width_ns));
  PutVarint(&body, static_cast<uint64_t>(head.phase_ns));
  PutVarint(&body, static_cast<uint64_t>(head.interval_ns));
  return Checked(body);
}

bool DecodeHead(std::string_view bytes, WindowHead* head) {
  std::string_view body;
  if (!Check(bytes, &body)) return false;
  ByteReader in(body);
  head->tenant = in.Text();
  head->key = in.Text();
  head->width_ns = static_cast<int64_t>(in.Varint());
  head->phase_ns = static_cast<int64_t>(in.Varint());
  head->interval_ns = static_cast<int64_t>(in.Varint());
  return in.ok() && head->width_ns > 0;
}

std::string EncodePosition(const WindowPosition& position) {
  std::string body;
  PutVarint(&body, position.applied);
  PutVarint(&body, position.last);
  PutFixed(&body, position.hidden);
  PutVarint(&body, static_cast<uint64_t>(position.span_tiles));
  PutSignedVarint(&body, position.known_until_ns);
  PutVarint(&body, static_cast<uint64_t>(position.bytes));
  PutVarint(&body, position.ranges.size());
  for (const auto& [tiles, asked] : position.ranges) {
    PutVarint(&body, static_cast<uint64_t>(tiles));
    PutSignedVarint(&body, asked);
  }
  return Checked(body);
}

bool DecodePosition(std::string_view bytes, WindowPosition* position) {
  std::string_view body;
  if (!Check(bytes, &body)) return false;
  ByteReader in(body);
  position->applied = in.Varint();
  position->last = in.Varint();
  position->hidden = in.Fixed<uint64_t>();
  position->span_tiles = static_cast<int64_t>(in.Varint());
  position->known_until_ns = in.SignedVarint();
  position->bytes = static_cast<int64_t>(in.Varint());
  for (uint64_t n = in.Varint(); n > 0 && in.ok(); --n) {
    const auto tiles = static_cast<int64_t>(in.Varint());
    position->ranges[tiles] = in.SignedVarint();
  }
  return in.ok() && position->span_tiles > 0;
}

std::string SpanKey(std::string_view id, int64_t span) {
  std::string key(1, kSpanKey);
  key += id;
  PutBigEndian(&key, static_cast<uint64_t>(span) ^ (uint64_t{1} << 63));
  return key;
}

int64_t SpanOfKey(std::string_view key) {
  return static_cast<int64_t>(BigEndianAtEnd(key) ^ (uint64_t{1} << 63));
}

std::string EncodeSpan(RangeKernel kernel, bool folded, const std::vector<const RollingTile*>& tiles,
                       const std::function<std::pair<const Labels*, bool>(uint32_t)>& series) {
  // Series in order of their texts, which share beginnings.
  std::map<uint32_t, uint32_t> place;
  for (const RollingTile* tile : tiles) {
    if (tile == nullptr) continue;
    for (const RollingPart& part : tile->parts) place.emplace(part.series, 0);
  }
  std::vector<std::pair<std::string, uint32_t>> texts;
  for (const auto& [number, unused] : place) {
    const auto [labels, is_error] = series(number);
    texts.emplace_back(SeriesText(*labels, is_error), number);
  }
  std::sort(texts.begin(), texts.end());
  std::string body;
  body.push_back(static_cast<char>(kernel));
  body.push_back(folded ? '\1' : '\0');
  PutVarint(&body, texts.size());
  std::string_view before;
  for (size_t i = 0; i < texts.size(); ++i) {
    const std::string_view text = texts[i].first;
    place[texts[i].second] = static_cast<uint32_t>(i);
    const auto shared = static_cast<size_t>(
        std::mismatch(text.begin(), text.end(), before.begin(), before.end()).first - text.begin());
    PutVarint(&body, shared);
    PutText(&body, text.substr(shared));
    before = text;
  }
  PutVarint(&body, tiles.size());
  for (const RollingTile* tile : tiles) {
    PutVarint(&body, tile == nullptr ? 0 : tile->parts.size() + 1);
    if (tile == nullptr) continue;
    for (const RollingPart& part : tile->parts) {
      PutVarint(&body, place.at(part.series));
      PutPart(&body, kernel, part);
    }
  }
  return Checked(body);
}

bool DecodeSpan(std::string_view bytes, RangeKernel kernel, SavedSpan* span) {
  std::string_view body;
  if (!Check(bytes, &body)) return false;
  ByteReader in(body);
  if (in.Fixed<uint8_t>() != static_cast<uint8_t>(kernel)) return false;
  span->folded = in.Fixed<uint8_t>() != 0;
  std::string text;
  for (uint64_t n = in.Varint(); n > 0 && in.ok(); --n) {
    const uint64_t shared = in.Varint();
    if (shared > text.size()) return false;
    text.resize(shared);
    text += in.Text();
    if (!ParseSeries(text, &span->series.emplace_back())) return false;
  }
  for (uint64_t n = in.Varint(); n > 0 && in.ok(); --n) {
    RollingTile& tile = span->tiles.emplace_back();
    const uint64_t parts = in.Varint();
    tile.known = parts > 0;
    for (uint64_t i = 1; i < parts && in.ok(); ++i) {
      RollingPart& part = tile.parts.emplace_back();
      part.series = static_cast<uint32_t>(in.Varint());
      if (part.series >= span->series.size()) return false;
      TakePart(&in, kernel, &part);
    }
  }
  return in.ok() && in.remaining() == 0;
}

std::string NoteKey(uint64_t number) {
  std::string key(1, kNoteKey);
  PutBigEndian(&key, number);
  return key;
}

uint64_t NoteOfKey(std::string_view key) { return BigEndianAtEnd(key); }

std::string EncodeNote(const WindowNote& note) {
  std::string body;
  PutVarint(&body, note.batch);
  PutVarint(&body, note.times.size());
  for (const auto& [min_ns, max_ns] : note.times) {
    PutSignedVarint(&body, min_ns);
    PutSignedVarint(&body, max_ns);
  }
  return Checked(body);
}

bool DecodeNote(std::string_view bytes, WindowNote* note) {
  std::string_view body;
  if (!Check(bytes, &body)) return false;
  ByteReader in(body);
  note->batch = in.Varint();
  for (uint64_t n = in.Varint(); n > 0 && in.ok(); --n) {
    const int64_t min_ns = in.SignedVarint();
    note->times.emplace_back(min_ns, in.SignedVarint());
  }
  return in.ok();
}

}  // namespace skald::exec
