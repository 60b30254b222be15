#include "agent/stages/tap.h"

#include <algorithm>
#include <chrono>

#include "base/clock.h"
#include "base/json_writer.h"
#include "text/rfc3339.h"

namespace skald::agent {
namespace {

constexpr size_t kMaxSessions = 4;
constexpr size_t kMaxWaitingBytes = size_t{256} << 10;  // of a session
constexpr size_t kMaxShownLine = size_t{16} << 10;
constexpr size_t kMaxParsed = 1000;
// What is looked at in a second, whether it is shown or not: about a hundredth of a core.
constexpr double kLooksPerSecond = 20000;
constexpr double kTracesPerSecond = 500;

// Of pairs of texts.
template <typename Pairs>
std::string JsonOf(const Pairs& pairs) {
  std::string out;
  JsonWriter json(&out);
  json.BeginObject();
  for (const auto& [name, value] : pairs) json.Key(name).String(value);
  json.EndObject();
  return out;
}

std::string JsonOf(const Extracted& extracted) {
  std::string out;
  JsonWriter json(&out);
  json.BeginObject();
  for (const auto& [name, value] : extracted) {
    json.Key(name);
    if (value.type == ExtractedValue::Type::kNull) {
      json.Null();
    } else {
      json.String(value.text);
    }
  }
  json.EndObject();
  return out;
}

}  // namespace

Tap::Session::Session(Tap* tap, Options options)
    : tap_(tap),
      options_(std::move(options)),
      rate_(options_.lines_per_second, std::max(options_.lines_per_second, 1.0)) {}

std::string Tap::Session::Take(int64_t timeout_ns) {
  std::unique_lock<std::mutex> lock(tap_->mu_);
  tap_->came_.wait_for(lock, std::chrono::nanoseconds(timeout_ns), [this] { return !lines_.empty(); });
  std::string out = std::exchange(lines_, {});
  if (skipped_ > 0) out += "{\"skipped\":" + std::to_string(skipped_) + "}\n";
  skipped_ = 0;
  return out;
}

Tap::Tap()
    : lines_(kLooksPerSecond, kLooksPerSecond / 10), traces_(kTracesPerSecond, kTracesPerSecond / 10) {}

std::shared_ptr<Tap::Session> Tap::Open(Options options) {
  const std::lock_guard<std::mutex> lock(mu_);
  if (sessions_.size() >= kMaxSessions) return nullptr;
  std::shared_ptr<Session> session(new Session(this, std::move(options)));
  sessions_.push_back(session);
  open_.store(true, std::memory_order_relaxed);
  return session;
}

void Tap::Close(const std::shared_ptr<Session>& session) {
  const std::lock_guard<std::mutex> lock(mu_);
  std::erase(sessions_, session);
  open_.store(!sessions_.empty(), std::memory_order_relaxed);
}

void Tap::Give(Session* session, std::string_view json) {
  if (!session->rate_.Take(MonotonicNs()) || session->lines_.size() + json.size() > kMaxWaitingBytes) {
    ++session->skipped_;
    return;
  }
  session->lines_ += json;
  session->lines_ += '\n';
  came_.notify_all();
}

const Labels& Tap::Parsed(std::string_view labels) {
  std::string text(labels);
  const auto found = parsed_.find(text);
  if (found != parsed_.end()) return found->second;
  if (parsed_.size() >= kMaxParsed) parsed_.clear();
  return parsed_.try_emplace(std::move(text), ParseLabels(labels).value_or(Labels())).first->second;
}

void Tap::Match(const Labels& labels, std::string_view line) {
  for (const auto& session : sessions_) {
    const auto& selector = session->options_.selector;
    session->matched_ |= session->options_.stages && (!selector || selector->Matches(labels, line));
  }
}

// end: what became of the entry, as JSON.
void Tap::Finish(std::string_view end) {
  tracing_ = false;
  const std::string json = "{\"stages\":[" + trace_ + "]," + std::string(end) + "}";
  for (const auto& session : sessions_) {
    if (session->matched_) Give(session.get(), json);
    session->matched_ = false;
  }
}

void Tap::See(std::string_view stage, const Entry& entry, bool dropped) {
  const std::unique_lock<std::mutex> lock(mu_, std::try_to_lock);
  if (!lock.owns_lock()) {
    tracing_ = false;
    return;
  }
  if (stage.empty()) {
    // The one before waits in a stage, for more lines.
    if (tracing_) Finish("\"held\":true");
    const bool wanted = std::any_of(sessions_.begin(), sessions_.end(),
                                    [](const auto& session) { return session->options_.stages; });
    tracing_ = wanted && traces_.Take(MonotonicNs());
    trace_.clear();
    seen_ = Seen();
    for (const auto& session : sessions_) session->matched_ = false;
  }
  if (!tracing_) return;
  Match(entry.labels, entry.line);
  if (!trace_.empty()) trace_ += ',';
  JsonWriter json(&trace_);
  json.BeginObject().Key("stage").String(stage);
  // Only what the stage changed.
  const auto changed = [&](std::string_view name, std::string now, std::string* before) {
    if (now == *before) return;
    json.Key(name).Raw(now);
    *before = std::move(now);
  };
  changed("labels", JsonOf(entry.labels), &seen_.labels);
  changed("extracted", JsonOf(entry.extracted), &seen_.extracted);
  changed("metadata", JsonOf(entry.metadata), &seen_.metadata);
  const std::string_view line = std::string_view(entry.line).substr(0, kMaxShownLine);
  if (line != seen_.line) json.Key("line").String(line);
  seen_.line = line;
  if (entry.time_ns != seen_.time_ns) json.Key("time").String(FormatRfc3339Nano(entry.time_ns));
  seen_.time_ns = entry.time_ns;
  json.EndObject();
  if (!dropped) return;
  std::string end;
  AppendJsonString(&end, entry.drop_reason);
  Finish("\"dropped\":" + end);
}

void Tap::Out(std::string_view labels, std::string_view tenant, int64_t time_ns, std::string_view line,
              const Metadata* metadata) {
  const std::unique_lock<std::mutex> lock(mu_, std::try_to_lock);
  if (!lock.owns_lock()) {
    tracing_ = false;
    return;
  }
  if (!tracing_ && !lines_.Take(MonotonicNs())) {
    for (const auto& session : sessions_) ++session->skipped_;
    return;
  }
  const Labels& parsed = Parsed(labels);
  std::string out;  // made where somebody wants it
  const auto text = [&]() -> const std::string& {
    if (!out.empty()) return out;
    JsonWriter json(&out);
    json.BeginObject().Key("time").String(FormatRfc3339Nano(time_ns)).Key("labels").Raw(JsonOf(parsed));
    json.Key("line").String(line.substr(0, kMaxShownLine));
    if (line.size() > kMaxShownLine) json.Key("line_bytes").UInt(line.size());
    if (metadata != nullptr && !metadata->empty()) json.Key("metadata").Raw(JsonOf(*metadata));
    if (!tenant.empty()) json.Key("tenant").String(tenant);
    json.EndObject();
    return out;
  };
  for (const auto& session : sessions_) {
    const auto& selector = session->options_.selector;
    const bool matches = !selector || selector->Matches(parsed, line);
    if (tracing_ && session->options_.stages) {
      session->matched_ |= matches;
    } else if (matches) {
      Give(session.get(), text());
    }
  }
  if (tracing_) Finish("\"out\":" + text());
}

}  // namespace skald::agent
