#include "agent/receivers/journal_source.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <cstring>

#include <systemd/sd-journal.h>

#include "agent/receivers/receiver.h"
#include "agent/receivers/syslog_severity.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json_writer.h"
#include "base/log.h"

namespace skald::agent {
namespace {

// Distinct units remembered; scopes and transient units come and go.
constexpr size_t kMaxUnits = 4096;

std::string Lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

}  // namespace

absl::StatusOr<std::unique_ptr<JournalSource>> JournalSource::Open(JournalSourceOptions options,
                                                                   LineRules* rules, const Clock& clock) {
  if (options.path.empty() && !FileExists("/var/log/journal") && !FileExists("/run/log/journal")) {
    return NotFound("no systemd journal on this machine");
  }
  std::unique_ptr<JournalSource> source(new JournalSource(std::move(options), rules, clock));
  const int opened = source->options_.path.empty()
                         ? ::sd_journal_open(&source->journal_, SD_JOURNAL_LOCAL_ONLY)
                         : ::sd_journal_open_directory(&source->journal_, source->options_.path.c_str(), 0);
  if (opened < 0) return ErrnoStatus("open the systemd journal", source->options_.path, -opened);
  for (const std::string& match : source->options_.matches) {
    const int added = ::sd_journal_add_match(source->journal_, match.data(), match.size());
    if (added < 0) return InvalidArgument("journal match \"{}\" is not FIELD=VALUE", match);
  }
  source->fd_ = ::sd_journal_get_fd(source->journal_);
  return source;
}

JournalSource::~JournalSource() {
  if (journal_ != nullptr) ::sd_journal_close(journal_);
}

short JournalSource::events() const { return static_cast<short>(::sd_journal_get_events(journal_)); }

void JournalSource::Process() {
  if (::sd_journal_process(journal_) != SD_JOURNAL_NOP) ready_ = true;
}

void JournalSource::Start(const std::string& cursor) {
  ready_ = true;
  if (!cursor.empty()) {
    if (::sd_journal_seek_cursor(journal_, cursor.c_str()) == 0 && ::sd_journal_next(journal_) > 0) {
      // The journal stands at the entry itself, or at the next one if the entry is gone.
      if (::sd_journal_test_cursor(journal_, cursor.c_str()) <= 0) ::sd_journal_previous(journal_);
      return;
    }
    LogWarn("journal cursor is not usable, reading from max_age back");
  }
  const int64_t from_us = std::max<int64_t>(0, (clock_.NowNs() - options_.max_age_ns) / 1000);
  ::sd_journal_seek_realtime_usec(journal_, static_cast<uint64_t>(from_us));
}

std::string JournalSource::Field(const char* name) const {
  const void* data = nullptr;
  size_t size = 0;
  if (::sd_journal_get_data(journal_, name, &data, &size) < 0) return {};
  const size_t prefix = std::strlen(name) + 1;
  return size < prefix ? std::string() : std::string(static_cast<const char*>(data) + prefix, size - prefix);
}

Labels JournalSource::LabelsOfUnit(const std::string& unit) const {
  Labels labels;
  labels.Set("job", kName);
  if (!unit.empty()) labels.Set("unit", unit);
  if (!options_.node_name.empty()) labels.Set("node_name", options_.node_name);
  for (const auto& [name, value] : options_.labels) labels.Set(name, value);
  return labels;
}

const Labels& JournalSource::LabelsFor(const std::string& unit) {
  const auto found = units_.find(unit);
  if (found != units_.end()) return found->second;
  if (units_.size() >= kMaxUnits) units_.clear();
  return units_[unit] = LabelsOfUnit(unit);
}

std::map<std::string, std::string> JournalSource::Fields() const {
  std::map<std::string, std::string> fields;
  const void* data = nullptr;
  size_t size = 0;
  ::sd_journal_restart_data(journal_);
  while (::sd_journal_enumerate_data(journal_, &data, &size) > 0) {
    const std::string_view field(static_cast<const char*>(data), size);
    const size_t equals = field.find('=');
    if (equals != std::string_view::npos)
      fields[std::string(field.substr(0, equals))] = std::string(field.substr(equals + 1));
  }
  return fields;
}

bool JournalSource::AddEntry(BatchBuilder* batch, std::string* cursor) {
  char* text = nullptr;
  if (::sd_journal_get_cursor(journal_, &text) < 0) return false;
  *cursor = text;
  std::free(text);
  std::map<std::string, std::string> fields;
  if (options_.json || options_.relabelling) fields = Fields();
  std::string message = Field("MESSAGE");
  if (message.empty()) {
    if (counting_) feed_.Count("no_message", 0);
    return false;
  }
  if (options_.json) {
    message.clear();
    JsonWriter json(&message);
    json.BeginObject();
    for (const auto& [name, value] : fields) json.Key(name).String(value);
    json.EndObject();
  }
  std::string_view level;
  const std::string priority = Field("PRIORITY");
  const int number =
      priority.size() == 1 && priority[0] >= '0' && priority[0] <= '7' ? priority[0] - '0' : -1;
  level = LevelOfSeverity(number);
  uint64_t time_us = 0;
  ::sd_journal_get_realtime_usec(journal_, &time_us);
  BatchRow row;
  row.time_ns = static_cast<int64_t>(time_us) * 1000;
  row.text = message;
  if (row.text.size() > options_.max_line_size) {
    row.cut_bytes = row.text.size() - options_.max_line_size;
    row.text = row.text.substr(0, options_.max_line_size);
  }
  row.level = level;
  if (options_.relabelling) {
    Labels labels = options_.labels;
    for (const auto& [name, value] : fields) labels.Set("__journal_" + Lower(name), value);
    if (number >= 0) labels.Set("__journal_priority_keyword", KeywordOfSeverity(number));
    const bool kept = options_.relabelling->Apply(&labels);
    labels = VisibleLabels(labels);
    if (!kept || labels.empty()) {
      if (counting_) feed_.Count(kept ? "empty_labels" : "relabel_configs", row.text.size());
      return false;
    }
    feed_.Add(labels, row, counting_, batch);
  } else {
    std::string unit = Field("_SYSTEMD_UNIT");
    if (unit.empty()) unit = Field("SYSLOG_IDENTIFIER");
    if (unit.empty()) unit = Field("_TRANSPORT");
    feed_.Add(LabelsFor(unit), row, counting_, batch);
  }
  return true;
}

uint64_t JournalSource::ReadSome(uint64_t max_entries, BatchBuilder* batch) {
  uint64_t read = 0;
  std::string cursor;
  for (; read < max_entries; ++read) {
    const int next = ::sd_journal_next(journal_);
    if (next < 0) {
      // A damaged journal file ends here; what comes later may be in the next one.
      if (errors_++ == 0) LogWarn("journal cannot be read on", "err=\"{}\"", std::strerror(-next));
      ready_ = false;
      return read;
    }
    if (next == 0) {
      ready_ = false;
      return read;
    }
    cursor.clear();
    AddEntry(batch, &cursor);
    if (!cursor.empty()) batch->AddCursor(kName, cursor);
  }
  return read;
}

bool JournalSource::ReadAgain(const CursorRange& range, BatchBuilder* batch) {
  if (::sd_journal_seek_cursor(journal_, range.first.c_str()) != 0 || ::sd_journal_next(journal_) <= 0 ||
      ::sd_journal_test_cursor(journal_, range.first.c_str()) <= 0) {
    return false;
  }
  std::string cursor;
  counting_ = false;
  bool whole = false;
  do {
    AddEntry(batch, &cursor);
    whole = ::sd_journal_test_cursor(journal_, range.last.c_str()) > 0;
  } while (!whole && ::sd_journal_next(journal_) > 0);
  counting_ = true;
  return whole;
}

}  // namespace skald::agent
