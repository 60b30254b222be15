#include "text/go_time.h"

#include <fmt/format.h>

#include <array>

#include "base/types.h"
#include "text/rfc3339.h"

namespace skald {
namespace {

constexpr std::array<std::string_view, 12> kMonths = {"January",   "February", "March",    "April",
                                                      "May",       "June",     "July",     "August",
                                                      "September", "October",  "November", "December"};
constexpr std::array<std::string_view, 7> kDays = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                                   "Thursday", "Friday", "Saturday"};

enum class Piece {
  kNone,
  kLongMonth,
  kMonth,
  kNumMonth,
  kZeroMonth,
  kLongWeekDay,
  kWeekDay,
  kDay,
  kUnderDay,
  kZeroDay,
  kUnderYearDay,
  kZeroYearDay,
  kHour,
  kHour12,
  kZeroHour12,
  kMinute,
  kZeroMinute,
  kSecond,
  kZeroSecond,
  kLongYear,
  kYear,
  kPm,
  kLowerPm,
  kZoneName,
  kIso8601SecondsZ,
  kIso8601ColonSecondsZ,
  kIso8601Z,
  kIso8601ColonZ,
  kIso8601ShortZ,
  kSeconds,
  kColonSeconds,
  kZone,
  kColonZone,
  kShortZone,
  kFraction0,
  kFraction9,
};

// In the order in which they are tried: the longer of two that begin alike stands first.
struct Spelling {
  std::string_view text;
  Piece piece;
};
constexpr Spelling kSpellings[] = {
    {"January", Piece::kLongMonth},
    {"Jan", Piece::kMonth},
    {"Monday", Piece::kLongWeekDay},
    {"Mon", Piece::kWeekDay},
    {"MST", Piece::kZoneName},
    {"002", Piece::kZeroYearDay},
    {"01", Piece::kZeroMonth},
    {"02", Piece::kZeroDay},
    {"03", Piece::kZeroHour12},
    {"04", Piece::kZeroMinute},
    {"05", Piece::kZeroSecond},
    {"06", Piece::kYear},
    {"15", Piece::kHour},
    {"1", Piece::kNumMonth},
    {"2006", Piece::kLongYear},
    {"2", Piece::kDay},
    {"_2006", Piece::kNone},
    {"__2", Piece::kUnderYearDay},
    {"_2", Piece::kUnderDay},
    {"3", Piece::kHour12},
    {"4", Piece::kMinute},
    {"5", Piece::kSecond},
    {"PM", Piece::kPm},
    {"pm", Piece::kLowerPm},
    {"-070000", Piece::kSeconds},
    {"-07:00:00", Piece::kColonSeconds},
    {"-0700", Piece::kZone},
    {"-07:00", Piece::kColonZone},
    {"-07", Piece::kShortZone},
    {"Z070000", Piece::kIso8601SecondsZ},
    {"Z07:00:00", Piece::kIso8601ColonSecondsZ},
    {"Z0700", Piece::kIso8601Z},
    {"Z07:00", Piece::kIso8601ColonZ},
    {"Z07", Piece::kIso8601ShortZ},
};

struct Chunk {
  std::string_view prefix;
  Piece piece = Piece::kNone;
  int digits = 0;  // of a fraction
  bool comma = false;
  std::string_view suffix;
};

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsLower(char c) { return c >= 'a' && c <= 'z'; }

// The first piece of a layout and what stands around it.
Chunk NextChunk(std::string_view layout) {
  for (size_t i = 0; i < layout.size(); ++i) {
    const std::string_view rest = layout.substr(i);
    for (const Spelling& spelling : kSpellings) {
      if (!rest.starts_with(spelling.text)) continue;
      if (spelling.piece == Piece::kNone) {  // an underscore before a year is no padding
        return {layout.substr(0, i + 1), Piece::kLongYear, 0, false, layout.substr(i + 5)};
      }
      // "Janet" is no month.
      if (spelling.piece == Piece::kMonth && rest.size() > 3 && IsLower(rest[3])) continue;
      if (spelling.piece == Piece::kWeekDay && rest.size() > 3 && IsLower(rest[3])) continue;
      return {layout.substr(0, i), spelling.piece, 0, false, rest.substr(spelling.text.size())};
    }
    if ((rest[0] == '.' || rest[0] == ',') && rest.size() > 1 && (rest[1] == '0' || rest[1] == '9')) {
      size_t end = 1;
      while (end < rest.size() && rest[end] == rest[1]) ++end;
      if (end < rest.size() && IsDigit(rest[end])) continue;
      return {layout.substr(0, i), rest[1] == '0' ? Piece::kFraction0 : Piece::kFraction9,
              static_cast<int>(end - 1), rest[0] == ',', rest.substr(end)};
    }
  }
  return {layout, Piece::kNone, 0, false, {}};
}

void AppendOffset(std::string* out, int offset, bool colon, bool minutes, bool seconds) {
  *out += offset < 0 ? '-' : '+';
  const int size = offset < 0 ? -offset : offset;
  const auto at = std::back_inserter(*out);
  fmt::format_to(at, "{:02}", size / 3600);
  if (minutes) fmt::format_to(at, "{}{:02}", colon ? ":" : "", size / 60 % 60);
  if (seconds) fmt::format_to(at, "{}{:02}", colon ? ":" : "", size % 60);
}

// Reads the fields of a text one after the other; false where one does not fit.
struct Reader {
  std::string_view rest;

  bool Literal(std::string_view text) {
    while (!text.empty()) {
      if (text[0] == ' ') {  // a space in the layout takes any number of them
        if (!rest.empty() && rest[0] != ' ') return false;
        while (!text.empty() && text[0] == ' ') text.remove_prefix(1);
        while (!rest.empty() && rest[0] == ' ') rest.remove_prefix(1);
        continue;
      }
      if (rest.empty() || rest[0] != text[0]) return false;
      rest.remove_prefix(1);
      text.remove_prefix(1);
    }
    return true;
  }

  bool Exactly(size_t digits, int* out) {
    if (rest.size() < digits) return false;
    int value = 0;
    for (size_t i = 0; i < digits; ++i) {
      if (!IsDigit(rest[i])) return false;
      value = value * 10 + (rest[i] - '0');
    }
    rest.remove_prefix(digits);
    *out = value;
    return true;
  }

  // One digit or two.
  bool UpToTwo(int* out) {
    return rest.size() > 1 && IsDigit(rest[0]) && IsDigit(rest[1]) ? Exactly(2, out) : Exactly(1, out);
  }

  template <size_t n>
  bool Name(const std::array<std::string_view, n>& names, bool is_short, int* out) {
    for (size_t i = 0; i < n; ++i) {
      const std::string_view name = is_short ? names[i].substr(0, 3) : names[i];
      if (rest.size() < name.size()) continue;
      bool same = true;
      for (size_t c = 0; c < name.size(); ++c) same &= (rest[c] | 0x20) == (name[c] | 0x20);
      if (!same) continue;
      rest.remove_prefix(name.size());
      *out = static_cast<int>(i);
      return true;
    }
    return false;
  }

  bool Fraction(size_t digits, int32_t* out) {
    if (rest.size() < digits + 1 || (rest[0] != '.' && rest[0] != ',')) return false;
    int32_t value = 0;
    int32_t scale = 100'000'000;
    for (size_t i = 1; i <= digits; ++i, scale /= 10) {
      if (!IsDigit(rest[i])) return false;
      value += (rest[i] - '0') * scale;
    }
    rest.remove_prefix(digits + 1);
    *out = value;
    return true;
  }

  // Digits after a dot, of which there may be any number.
  size_t FractionDigits() const {
    if (rest.size() < 2 || (rest[0] != '.' && rest[0] != ',')) return 0;
    size_t i = 1;
    while (i < rest.size() && IsDigit(rest[i])) ++i;
    return i - 1;
  }

  bool Offset(bool colon, bool minutes, bool seconds, int* out) {
    if (rest.empty() || (rest[0] != '+' && rest[0] != '-')) return false;
    const int sign = rest[0] == '-' ? -1 : 1;
    rest.remove_prefix(1);
    int hour = 0, minute = 0, second = 0;
    if (!Exactly(2, &hour)) return false;
    if (minutes && ((colon && !Literal(":")) || !Exactly(2, &minute))) return false;
    if (seconds && ((colon && !Literal(":")) || !Exactly(2, &second))) return false;
    if (hour > 24 || minute > 60 || second > 60) return false;
    *out = sign * (hour * 3600 + minute * 60 + second);
    return true;
  }

  // Three or four capital letters, or a GMT with hours.
  bool ZoneName(std::string_view* out) {
    size_t size = 0;
    while (size < rest.size() && size < 5 && rest[size] >= 'A' && rest[size] <= 'Z') ++size;
    if (size < 3) return false;
    *out = rest.substr(0, size);
    rest.remove_prefix(size);
    return true;
  }
};

bool TakesZ(Piece piece) { return piece >= Piece::kIso8601SecondsZ && piece <= Piece::kIso8601ShortZ; }
bool HasColon(Piece piece) {
  return piece == Piece::kIso8601ColonSecondsZ || piece == Piece::kIso8601ColonZ ||
         piece == Piece::kColonSeconds || piece == Piece::kColonZone;
}
bool HasMinutes(Piece piece) { return piece != Piece::kIso8601ShortZ && piece != Piece::kShortZone; }
bool HasSeconds(Piece piece) {
  return piece == Piece::kIso8601SecondsZ || piece == Piece::kIso8601ColonSecondsZ ||
         piece == Piece::kSeconds || piece == Piece::kColonSeconds;
}

}  // namespace

GoTime GoTime::FromUnixNs(int64_t ns) {
  GoTime out = FromUnixSeconds(ns / kNsPerSecond);
  int64_t rest = ns % kNsPerSecond;
  if (rest < 0) {
    rest += kNsPerSecond;
    --out.seconds;
  }
  out.nanosecond = static_cast<int32_t>(rest);
  return out;
}

GoTime GoTime::FromUnixSeconds(int64_t seconds) {
  static const absl::TimeZone local = absl::LocalTimeZone();
  return {seconds, 0, local};
}

int64_t GoTime::UnixNs() const {
  return static_cast<int64_t>(static_cast<uint64_t>(seconds) * static_cast<uint64_t>(kNsPerSecond) +
                              static_cast<uint64_t>(nanosecond));
}

absl::TimeZone::CivilInfo GoTime::Civil() const { return zone.At(absl::FromUnixSeconds(seconds)); }

void AppendGoTime(std::string* out, const GoTime& time, std::string_view layout) {
  const absl::TimeZone::CivilInfo info = time.Civil();
  const absl::CivilSecond& cs = info.cs;
  const auto at = std::back_inserter(*out);
  const auto month = static_cast<size_t>(cs.month() - 1);
  const int year_day = absl::GetYearDay(absl::CivilDay(cs));
  const int hour12 = cs.hour() % 12 == 0 ? 12 : cs.hour() % 12;
  // absl counts weekdays from Monday.
  const auto week_day = (static_cast<size_t>(absl::GetWeekday(cs)) + 1) % 7;
  while (!layout.empty()) {
    const Chunk chunk = NextChunk(layout);
    out->append(chunk.prefix);
    layout = chunk.suffix;
    switch (chunk.piece) {
      case Piece::kNone:
        break;
      case Piece::kLongMonth:
        out->append(kMonths[month]);
        break;
      case Piece::kMonth:
        out->append(kMonths[month].substr(0, 3));
        break;
      case Piece::kNumMonth:
        fmt::format_to(at, "{}", cs.month());
        break;
      case Piece::kZeroMonth:
        fmt::format_to(at, "{:02}", cs.month());
        break;
      case Piece::kLongWeekDay:
        out->append(kDays[week_day]);
        break;
      case Piece::kWeekDay:
        out->append(kDays[week_day].substr(0, 3));
        break;
      case Piece::kDay:
        fmt::format_to(at, "{}", cs.day());
        break;
      case Piece::kUnderDay:
        fmt::format_to(at, "{:2}", cs.day());
        break;
      case Piece::kZeroDay:
        fmt::format_to(at, "{:02}", cs.day());
        break;
      case Piece::kUnderYearDay:
        fmt::format_to(at, "{:3}", year_day);
        break;
      case Piece::kZeroYearDay:
        fmt::format_to(at, "{:03}", year_day);
        break;
      case Piece::kHour:
        fmt::format_to(at, "{:02}", cs.hour());
        break;
      case Piece::kHour12:
        fmt::format_to(at, "{}", hour12);
        break;
      case Piece::kZeroHour12:
        fmt::format_to(at, "{:02}", hour12);
        break;
      case Piece::kMinute:
        fmt::format_to(at, "{}", cs.minute());
        break;
      case Piece::kZeroMinute:
        fmt::format_to(at, "{:02}", cs.minute());
        break;
      case Piece::kSecond:
        fmt::format_to(at, "{}", cs.second());
        break;
      case Piece::kZeroSecond:
        fmt::format_to(at, "{:02}", cs.second());
        break;
      case Piece::kLongYear:
        fmt::format_to(at, "{:04}", cs.year());
        break;
      case Piece::kYear:
        fmt::format_to(at, "{:02}", (cs.year() % 100 + 100) % 100);
        break;
      case Piece::kPm:
        out->append(cs.hour() >= 12 ? "PM" : "AM");
        break;
      case Piece::kLowerPm:
        out->append(cs.hour() >= 12 ? "pm" : "am");
        break;
      case Piece::kZoneName:
        if (time.zone.name().rfind("Fixed/", 0) == 0) {
          AppendOffset(out, info.offset, false, true, false);
        } else {
          out->append(info.zone_abbr);
        }
        break;
      case Piece::kFraction0:
      case Piece::kFraction9: {
        std::string digits = fmt::format("{:09}", time.nanosecond);
        digits.resize(static_cast<size_t>(std::min(chunk.digits, 9)));
        if (chunk.piece == Piece::kFraction9) {
          while (!digits.empty() && digits.back() == '0') digits.pop_back();
        } else {
          digits.resize(static_cast<size_t>(chunk.digits), '0');
        }
        if (!digits.empty()) *out += (chunk.comma ? ',' : '.') + digits;
        break;
      }
      default:
        if (info.offset == 0 && TakesZ(chunk.piece)) {
          *out += 'Z';
        } else {
          AppendOffset(out, info.offset, HasColon(chunk.piece), HasMinutes(chunk.piece),
                       HasSeconds(chunk.piece));
        }
    }
  }
}

std::string FormatGoTime(const GoTime& time, std::string_view layout) {
  std::string out;
  AppendGoTime(&out, time, layout);
  return out;
}

std::string GoTimeText(const GoTime& time) {
  return FormatGoTime(time, "2006-01-02 15:04:05.999999999 -0700 MST");
}

bool ParseGoTime(std::string_view layout, std::string_view text, absl::TimeZone zone, GoTime* out) {
  Reader in{text};
  int year = 0, month = -1, day = -1, year_day = -1, hour = 0, minute = 0, second = 0, ignored = 0;
  int32_t nanosecond = 0;
  bool pm_set = false, pm = false, utc = false, has_offset = false;
  int offset = 0;
  std::string_view zone_name;
  while (true) {
    const Chunk chunk = NextChunk(layout);
    if (!in.Literal(chunk.prefix)) return false;
    if (chunk.piece == Piece::kNone) break;
    layout = chunk.suffix;
    bool ok = true;
    switch (chunk.piece) {
      case Piece::kYear:
        ok = in.Exactly(2, &year);
        year += year >= 69 ? 1900 : 2000;
        break;
      case Piece::kLongYear:
        ok = in.Exactly(4, &year);
        break;
      case Piece::kMonth:
      case Piece::kLongMonth:
        ok = in.Name(kMonths, chunk.piece == Piece::kMonth, &month);
        ++month;
        break;
      case Piece::kNumMonth:
        ok = in.UpToTwo(&month) && month >= 1 && month <= 12;
        break;
      case Piece::kZeroMonth:
        ok = in.Exactly(2, &month) && month >= 1 && month <= 12;
        break;
      case Piece::kWeekDay:
      case Piece::kLongWeekDay:
        ok = in.Name(kDays, chunk.piece == Piece::kWeekDay, &ignored);
        break;
      case Piece::kUnderDay:
      case Piece::kDay:
        if (chunk.piece == Piece::kUnderDay && !in.rest.empty() && in.rest[0] == ' ')
          in.rest.remove_prefix(1);
        ok = in.UpToTwo(&day);
        break;
      case Piece::kZeroDay:
        ok = in.Exactly(2, &day);
        break;
      case Piece::kUnderYearDay:
        for (int i = 0; i < 2 && !in.rest.empty() && in.rest[0] == ' '; ++i) in.rest.remove_prefix(1);
        ok = in.Exactly(std::min<size_t>(3, in.rest.find_first_not_of("0123456789")), &year_day);
        break;
      case Piece::kZeroYearDay:
        ok = in.Exactly(3, &year_day);
        break;
      case Piece::kHour:
        ok = in.UpToTwo(&hour) && hour <= 23;
        break;
      case Piece::kHour12:
        ok = in.UpToTwo(&hour) && hour <= 12;
        break;
      case Piece::kZeroHour12:
        ok = in.Exactly(2, &hour) && hour <= 12;
        break;
      case Piece::kMinute:
        ok = in.UpToTwo(&minute) && minute <= 59;
        break;
      case Piece::kZeroMinute:
        ok = in.Exactly(2, &minute) && minute <= 59;
        break;
      case Piece::kSecond:
      case Piece::kZeroSecond: {
        ok = (chunk.piece == Piece::kSecond ? in.UpToTwo(&second) : in.Exactly(2, &second)) && second <= 59;
        // A fraction may follow that the layout does not speak of.
        const Piece next = NextChunk(layout).piece;
        const bool spoken_of = next == Piece::kFraction0 || next == Piece::kFraction9;
        if (const size_t digits = in.FractionDigits(); ok && digits > 0 && !spoken_of)
          ok = in.Fraction(digits, &nanosecond);
        break;
      }
      case Piece::kPm:
      case Piece::kLowerPm: {
        const std::string_view sign = in.rest.substr(0, 2);
        pm_set = true;
        pm = sign == "PM" || sign == "pm";
        ok = chunk.piece == Piece::kPm ? sign == "PM" || sign == "AM" : sign == "pm" || sign == "am";
        if (ok) in.rest.remove_prefix(2);
        break;
      }
      case Piece::kZoneName:
        if (in.rest.starts_with("UTC")) {
          utc = true;
          in.rest.remove_prefix(3);
        } else {
          ok = in.ZoneName(&zone_name);
        }
        break;
      case Piece::kFraction0:
        ok = in.Fraction(static_cast<size_t>(chunk.digits), &nanosecond);
        break;
      case Piece::kFraction9:
        if (const size_t digits = in.FractionDigits(); digits > 0) ok = in.Fraction(digits, &nanosecond);
        break;
      default:
        if (TakesZ(chunk.piece) && in.rest.starts_with("Z")) {
          in.rest.remove_prefix(1);
          utc = true;
          break;
        }
        has_offset = ok =
            in.Offset(HasColon(chunk.piece), HasMinutes(chunk.piece), HasSeconds(chunk.piece), &offset);
    }
    if (!ok) return false;
  }
  if (!in.rest.empty()) return false;
  if (pm_set && pm && hour < 12) hour += 12;
  if (pm_set && !pm && hour == 12) hour = 0;
  if (year_day >= 0) {
    const bool leap = DaysInMonth(year, 2) == 29;
    if (year_day < 1 || year_day > 365 + (leap ? 1 : 0)) return false;
    int left = year_day;
    int m = 1;
    while (left > DaysInMonth(year, m)) left -= DaysInMonth(year, m++);
    if ((month >= 0 && month != m) || (day >= 0 && day != left)) return false;
    month = m;
    day = left;
  }
  if (month < 0) month = 1;
  if (day < 0) day = 1;
  if (day < 1 || day > DaysInMonth(year, month)) return false;
  GoTime time;
  time.nanosecond = nanosecond;
  time.seconds = DaysFromCivil(year, month, day) * 86'400 + hour * 3600 + minute * 60 + second;
  if (utc) {
    time.zone = absl::UTCTimeZone();
  } else if (has_offset) {
    time.seconds -= offset;
    time.zone =
        zone.At(absl::FromUnixSeconds(time.seconds)).offset == offset ? zone : absl::FixedTimeZone(offset);
  } else if (!zone_name.empty()) {
    time.zone = absl::FixedTimeZone(0);  // an abbreviation alone does not say which zone it means
  } else {
    time.seconds =
        absl::ToUnixSeconds(zone.At(absl::CivilSecond(year, month, day, hour, minute, second)).pre);
    time.zone = zone;
  }
  *out = time;
  return true;
}

}  // namespace skald
