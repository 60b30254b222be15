#include "text/rfc3339.h"

#include "base/error.h"
#include "base/labels.h"
#include "base/types.h"

namespace skald {
namespace {

constexpr int64_t kSecondsPerDay = 86'400;

// Reads the fields one after the other; the first that fails names itself in the error.
class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text), rest_(text) {}

  bool Number(size_t digits, int low, int high, std::string_view field, std::string_view name, int* out) {
    const std::string_view at = rest_;
    int value = 0;
    if (rest_.size() < digits) return Fail(at, field);
    for (size_t i = 0; i < digits; ++i) {
      if (rest_[i] < '0' || rest_[i] > '9') return Fail(at, field);
      value = value * 10 + (rest_[i] - '0');
    }
    if (value < low || value > high) {
      error_ = InvalidArgument("parsing time {}: {} out of range", Quoted(text_), name);
      return false;
    }
    rest_.remove_prefix(digits);
    *out = value;
    return true;
  }

  bool Literal(std::string_view literal) {
    if (rest_.substr(0, literal.size()) != literal) return Fail(rest_, literal);
    rest_.remove_prefix(literal.size());
    return true;
  }

  void Fraction(int* nanosecond) {
    *nanosecond = 0;
    if (rest_.size() < 2 || (rest_[0] != '.' && rest_[0] != ',') || rest_[1] < '0' || rest_[1] > '9') return;
    rest_.remove_prefix(1);
    int scale = 100'000'000;
    while (!rest_.empty() && rest_[0] >= '0' && rest_[0] <= '9') {
      *nanosecond += (rest_[0] - '0') * scale;
      scale /= 10;
      rest_.remove_prefix(1);
    }
  }

  bool Zone(int64_t* offset_seconds) {
    *offset_seconds = 0;
    if (!rest_.empty() && rest_[0] == 'Z') {
      rest_.remove_prefix(1);
      return true;
    }
    const std::string_view at = rest_;
    if (rest_.size() < 6 || (rest_[0] != '+' && rest_[0] != '-') || rest_[3] != ':')
      return Fail(at, "Z07:00");
    for (const size_t i : {1, 2, 4, 5}) {
      if (rest_[i] < '0' || rest_[i] > '9') return Fail(at, "Z07:00");
    }
    const int hours = (rest_[1] - '0') * 10 + (rest_[2] - '0');
    const int minutes = (rest_[4] - '0') * 10 + (rest_[5] - '0');
    if (hours > 24 || minutes > 60) {
      error_ = InvalidArgument("parsing time {}: time zone offset {} out of range", Quoted(text_),
                               hours > 24 ? "hour" : "minute");
      return false;
    }
    *offset_seconds = (rest_[0] == '-' ? -1 : 1) * (hours * 3600 + minutes * 60);
    rest_.remove_prefix(6);
    return true;
  }

  bool End() {
    if (rest_.empty()) return true;
    error_ = InvalidArgument("parsing time {}: extra text: {}", Quoted(text_), Quoted(rest_));
    return false;
  }

  absl::Status OutOfRangeField(std::string_view name) const {
    return InvalidArgument("parsing time {}: {} out of range", Quoted(text_), name);
  }
  const absl::Status& error() const { return error_; }

 private:
  static std::string Quoted(std::string_view text) {
    std::string out;
    AppendGoQuoted(&out, text);
    return out;
  }
  bool Fail(std::string_view at, std::string_view field) {
    error_ =
        InvalidArgument("parsing time {} as \"2006-01-02T15:04:05.999999999Z07:00\": cannot parse {} as {}",
                        Quoted(text_), Quoted(at), Quoted(field));
    return false;
  }

  std::string_view text_;
  std::string_view rest_;
  absl::Status error_;
};

void AppendSeconds(std::string* out, const CivilTime& time) {
  fmt::format_to(std::back_inserter(*out), "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", time.year, time.month,
                 time.day, time.hour, time.minute, time.second);
}

}  // namespace

int DaysInMonth(int64_t year, int month) {
  constexpr int kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  const bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
  return month == 2 && leap ? 29 : kDays[month - 1];
}

// Years are counted from March, so that the leap day is the last of its year; 400 years are 146,097 days.
int64_t DaysFromCivil(int64_t year, int month, int day) {
  if (month <= 2) --year;
  const int64_t era = (year >= 0 ? year : year - 399) / 400;
  const int64_t year_of_era = year - era * 400;
  const int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  const int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return era * 146'097 + day_of_era - 719'468;
}

CivilTime CivilFromUnixNs(int64_t ns) {
  int64_t seconds = ns / kNsPerSecond;
  int64_t nanosecond = ns % kNsPerSecond;
  if (nanosecond < 0) {
    nanosecond += kNsPerSecond;
    --seconds;
  }
  int64_t days = seconds / kSecondsPerDay;
  int64_t of_day = seconds % kSecondsPerDay;
  if (of_day < 0) {
    of_day += kSecondsPerDay;
    --days;
  }
  CivilTime out;
  days += 719'468;
  const int64_t era = (days >= 0 ? days : days - 146'096) / 146'097;
  const int64_t day_of_era = days - era * 146'097;
  const int64_t year_of_era =
      (day_of_era - day_of_era / 1'460 + day_of_era / 36'524 - day_of_era / 146'096) / 365;
  const int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const int64_t month_from_march = (5 * day_of_year + 2) / 153;
  out.day = static_cast<int>(day_of_year - (153 * month_from_march + 2) / 5 + 1);
  out.month = static_cast<int>(month_from_march < 10 ? month_from_march + 3 : month_from_march - 9);
  out.year = year_of_era + era * 400 + (out.month <= 2 ? 1 : 0);
  out.hour = static_cast<int>(of_day / 3600);
  out.minute = static_cast<int>(of_day / 60 % 60);
  out.second = static_cast<int>(of_day % 60);
  out.nanosecond = static_cast<int>(nanosecond);
  return out;
}

absl::StatusOr<int64_t> ParseRfc3339(std::string_view text) {
  Reader reader(text);
  int year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0, nanosecond = 0;
  int64_t offset = 0;
  if (!reader.Number(4, 0, 9999, "2006", "year", &year) || !reader.Literal("-") ||
      !reader.Number(2, 1, 12, "01", "month", &month) || !reader.Literal("-") ||
      !reader.Number(2, 1, 31, "02", "day", &day) || !reader.Literal("T") ||
      !reader.Number(2, 0, 23, "15", "hour", &hour) || !reader.Literal(":") ||
      !reader.Number(2, 0, 59, "04", "minute", &minute) || !reader.Literal(":") ||
      !reader.Number(2, 0, 59, "05", "second", &second)) {
    return reader.error();
  }
  reader.Fraction(&nanosecond);
  if (!reader.Zone(&offset) || !reader.End()) return reader.error();
  if (day > DaysInMonth(year, month)) return reader.OutOfRangeField("day");
  const int64_t seconds =
      DaysFromCivil(year, month, day) * kSecondsPerDay + hour * 3600 + minute * 60 + second - offset;
  int64_t ns = 0;
  if (__builtin_mul_overflow(seconds, kNsPerSecond, &ns) ||
      __builtin_add_overflow(ns, int64_t{nanosecond}, &ns)) {
    return OutOfRange("time {} does not fit into 64 bits of nanoseconds", text);
  }
  return ns;
}

std::string FormatRfc3339(int64_t ns) {
  std::string out;
  AppendSeconds(&out, CivilFromUnixNs(ns));
  out += 'Z';
  return out;
}

std::string FormatRfc3339Nano(int64_t ns) {
  const CivilTime time = CivilFromUnixNs(ns);
  std::string out;
  AppendSeconds(&out, time);
  if (time.nanosecond != 0) {
    fmt::format_to(std::back_inserter(out), ".{:09}", time.nanosecond);
    while (out.back() == '0') out.pop_back();
  }
  out += 'Z';
  return out;
}

}  // namespace skald
