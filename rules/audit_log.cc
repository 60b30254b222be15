#include "rules/audit_log.h"

#include <fcntl.h>

#include "base/error.h"
#include "base/json_writer.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "base/types.h"
#include "text/go_float.h"
#include "text/go_time.h"

namespace skald::rules {
namespace {

template <class Map>
void PutMap(JsonWriter* w, std::string_view key, const Map& map) {
  w->Key(key).BeginObject();
  for (const auto& [name, value] : map) w->Key(name).String(value);
  w->EndObject();
}

}  // namespace

std::string JsonTime(int64_t ns) {
  GoTime time;
  time.seconds = ns / kNsPerSecond - (ns % kNsPerSecond < 0 ? 1 : 0);
  time.nanosecond = static_cast<int32_t>((ns % kNsPerSecond + kNsPerSecond) % kNsPerSecond);
  return FormatGoTime(time, "2006-01-02T15:04:05.000Z07:00");
}

std::string TransitionLine(const RulePlace& place, const Transition& transition) {
  const AlertInstance& instance = transition.instance;
  std::string line;
  JsonWriter w(&line);
  w.BeginObject();
  w.Key("ts").String(JsonTime(transition.time_ns)).Key("event").String("transition");
  w.Key("tenant").String(place.tenant).Key("file").String(place.file).Key("group").String(place.group);
  w.Key("alert").String(instance.labels.Get("alertname"));
  w.Key("from").String(Name(transition.from)).Key("to").String(Name(transition.to));
  if (!transition.reason.empty()) w.Key("reason").String(transition.reason);
  PutMap(&w, "labels", instance.labels);
  PutMap(&w, "annotations", instance.annotations);
  w.Key("value").String(FormatGoFloatV(instance.value));
  w.Key("activeAt").String(JsonTime(instance.active_at_ns));
  w.EndObject();
  return line;
}

absl::StatusOr<std::unique_ptr<AuditLog>> AuditLog::Open(const std::string& path) {
  ASSIGN_OR_RETURN(FileDescriptor file, OpenFile(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640));
  return std::unique_ptr<AuditLog>(new AuditLog(std::move(file), path));
}

void AuditLog::Write(std::string line) {
  line.push_back('\n');
  const std::lock_guard lock(mu_);
  if (const absl::Status status = WriteAll(file_.get(), line, path_); !status.ok()) {
    LogError("audit of alerts not written", "error=\"{}\"", MessageOf(status));
  }
}

void AuditLog::WriteSend(int64_t time_ns, std::string_view receiver, std::string_view tenant,
                         const std::vector<const AlertMessage*>& alerts, int status, std::string_view error,
                         std::string_view outcome) {
  std::string line;
  JsonWriter w(&line);
  w.BeginObject();
  w.Key("ts").String(JsonTime(time_ns)).Key("event").String("send").Key("receiver").String(receiver);
  w.Key("tenant").String(tenant).Key("outcome").String(outcome).Key("status").Int(status);
  if (!error.empty()) w.Key("error").String(error);
  w.Key("alerts").BeginArray();
  for (const AlertMessage* alert : alerts) {
    w.BeginObject().Key("status").String(alert->resolved ? "resolved" : "firing");
    PutMap(&w, "labels", alert->labels);
    w.EndObject();
  }
  w.EndArray().EndObject();
  Write(std::move(line));
}

}  // namespace skald::rules
