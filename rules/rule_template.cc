#include "rules/rule_template.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <deque>

#include "base/error.h"
#include "base/go_regex.h"
#include "base/status_macros.h"
#include "base/types.h"
#include "text/duration.h"
#include "text/go_float.h"
#include "text/go_time.h"
#include "text/runes.h"
#include "text/template.h"
#include "text/template_functions.h"

namespace skald::rules {
namespace {

using Value = TemplateValue;

constexpr std::string_view kPreset =
    "{{$labels := .Labels}}{{$externalLabels := .ExternalLabels}}{{$externalURL := .ExternalURL}}"
    "{{$value := .Value}}";

class LabelsData final : public TemplateData {
 public:
  explicit LabelsData(Labels labels) : labels_(std::move(labels)) {}
  std::optional<std::string_view> Lookup(std::string_view name) const override { return labels_.Get(name); }
  void ForEach(absl::FunctionRef<void(std::string_view, std::string_view)> visit) const override {
    for (const auto& [name, value] : labels_) visit(name, value);
  }
  const Labels& labels() const { return labels_; }

 private:
  Labels labels_;
};

// What one expansion works on: functions find their context here.
class RuleData final : public TemplateData {
 public:
  explicit RuleData(const TemplateContext& context) : context_(context) {}
  std::optional<std::string_view> Lookup(std::string_view name) const override {
    return context_.labels->Get(name);
  }
  void ForEach(absl::FunctionRef<void(std::string_view, std::string_view)> visit) const override {
    for (const auto& [name, value] : *context_.labels) visit(name, value);
  }
  // Lives as long as the expansion.
  const LabelsData* Keep(const Labels& labels) const { return &kept_.emplace_back(labels); }
  const TemplateContext& context() const { return context_; }

 private:
  const TemplateContext& context_;
  mutable std::deque<LabelsData> kept_;
};

const TemplateContext& ContextOf(const TemplateData& data) {
  return static_cast<const RuleData&>(data).context();
}

absl::StatusOr<double> ToFloat(const Value& boxed) {
  const Value value = boxed.boxed() ? boxed.Unboxed() : boxed;
  switch (value.kind()) {
    case Value::Kind::kFloat:
      return value.as_float();
    case Value::Kind::kInt:
    case Value::Kind::kInt64:
    case Value::Kind::kUint8:
      return static_cast<double>(value.as_int());
    case Value::Kind::kString:
      return ParseGoFloat(value.as_string());
    default:
      return InvalidArgument("can't convert {} to float", value.TypeName());
  }
}

std::string FourDigits(double value) {
  TemplateValue argument = Value::Float(value);
  return TemplatePrintf("%.4g", TemplateArgs(&argument, 1));
}

// Prefixes below one: v is brought to at least 1.
std::string Small(double value, std::string_view unit) {
  const char* prefix = "";
  for (const char* next : {"m", "u", "n", "p", "f", "a", "z", "y"}) {
    if (std::abs(value) >= 1) break;
    prefix = next;
    value *= 1000;
  }
  return FourDigits(value) + prefix + std::string(unit);
}

Value SampleValue(const RuleData& data, const VectorSample& sample) {
  Value::Map map;
  map["Labels"] = Value::Data(data.Keep(sample.labels));
  map["Value"] = Value::Float(sample.value);
  return Value::FromMap(std::move(map));
}

absl::StatusOr<Value> Field(const Value& sample, std::string_view name) {
  const Value plain = sample.boxed() ? sample.Unboxed() : sample;
  if (plain.kind() != Value::Kind::kMap) return InvalidArgument("a sample of a query is wanted here");
  const auto it = plain.as_map().find(name);
  if (it == plain.as_map().end()) return InvalidArgument("a sample of a query is wanted here");
  return it->second;
}

std::string LabelOf(const Value& sample, std::string_view name) {
  const absl::StatusOr<Value> labels = Field(sample, "Labels");
  if (!labels.ok() || labels->kind() != Value::Kind::kData) return "";
  return std::string(labels->as_data().Lookup(name).value_or(std::string_view()));
}

// Go's Regexp.ReplaceAllString: $1, ${1} and $name in the replacement.
absl::StatusOr<std::string> ReplaceAll(const std::string& pattern, const std::string& replacement,
                                       const std::string& text) {
  ASSIGN_OR_RETURN(const std::shared_ptr<const re2::RE2> regex, CompileGoRegex(pattern));
  const int groups = regex->NumberOfCapturingGroups();
  std::vector<re2::StringPiece> parts(static_cast<size_t>(groups) + 1);
  const auto expand = [&](std::string* out) {
    for (size_t i = 0; i < replacement.size(); ++i) {
      if (replacement[i] != '$' || i + 1 == replacement.size()) {
        out->push_back(replacement[i]);
        continue;
      }
      if (replacement[i + 1] == '$') {
        out->push_back('$');
        ++i;
        continue;
      }
      size_t begin = i + 1;
      const bool braces = replacement[begin] == '{';
      if (braces) ++begin;
      size_t end = begin;
      while (end < replacement.size() &&
             (std::isalnum(static_cast<unsigned char>(replacement[end])) != 0 || replacement[end] == '_')) {
        ++end;
      }
      if (end == begin || (braces && (end == replacement.size() || replacement[end] != '}'))) {
        out->push_back('$');
        continue;
      }
      const std::string name = replacement.substr(begin, end - begin);
      int group = -1;
      if (name.find_first_not_of("0123456789") == std::string::npos && name.size() < 6) {
        group = std::stoi(name);
      } else if (const auto it = regex->NamedCapturingGroups().find(name);
                 it != regex->NamedCapturingGroups().end()) {
        group = it->second;
      }
      if (group >= 0 && group <= groups) {
        const re2::StringPiece& part = parts[static_cast<size_t>(group)];
        out->append(part.data() == nullptr ? "" : std::string(part.data(), part.size()));
      }
      i = braces ? end : end - 1;
    }
  };
  std::string out;
  size_t at = 0;
  while (at <= text.size()) {
    if (!regex->Match(text, at, text.size(), re2::RE2::UNANCHORED, parts.data(), groups + 1)) break;
    const auto begin = static_cast<size_t>(parts[0].data() - text.data());
    out.append(text, at, begin - at);
    expand(&out);
    at = begin + parts[0].size();
    if (parts[0].empty()) {
      if (at < text.size()) out.push_back(text[at]);
      ++at;
    }
  }
  if (at < text.size()) out.append(text, at, std::string::npos);
  return out;
}

// host:port -> host and port; false where there is no port.
bool SplitPort(const std::string& text, std::string* host, std::string* port) {
  const size_t colon = text.rfind(':');
  if (colon == std::string::npos) return false;
  *host = text.substr(0, colon);
  *port = text.substr(colon + 1);
  if (host->size() > 1 && host->front() == '[' && host->back() == ']') {
    *host = host->substr(1, host->size() - 2);
    return true;
  }
  return host->find(':') == std::string::npos;
}

bool IsAddress(const std::string& host) {
  return host.find_first_not_of("0123456789.") == std::string::npos || host.find(':') != std::string::npos;
}

std::string StripDomain(const std::string& text) {
  std::string host = text;
  std::string port;
  const bool has_port = SplitPort(text, &host, &port);
  if (!has_port) host = text;
  if (IsAddress(host)) return text;
  host = host.substr(0, host.find('.'));
  return has_port ? host + ":" + port : host;
}

std::string Title(const std::string& text) {
  std::string out;
  bool begins = true;
  for (const char c : text) {
    const bool letter = std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || (c & 0x80) != 0;
    out.push_back(begins && c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c);
    begins = !letter;
  }
  return out;
}

std::string PathOf(const std::string& url) {
  const size_t scheme = url.find("://");
  const size_t slash = url.find('/', scheme == std::string::npos ? 0 : scheme + 3);
  return slash == std::string::npos ? "" : url.substr(slash);
}

void AddNumberFunctions(TemplateFunctions* out) {
  const auto number = [out](const char* name, std::string (*write)(double)) {
    AddFunction(out, name, {TemplateType::kAny}, [write](TemplateArgs args) -> TemplateResult {
      ASSIGN_OR_RETURN(const double value, ToFloat(args[0]));
      return Value::String(write(value));
    });
  };
  number("humanize", Humanize);
  number("humanize1024", Humanize1024);
  number("humanizeDuration", HumanizeDuration);
  number("humanizePercentage", HumanizePercentage);
  const auto time_of = [](const Value& argument) -> absl::StatusOr<GoTime> {
    ASSIGN_OR_RETURN(const double seconds, ToFloat(argument));
    if (!(std::abs(seconds) < 9.2e9)) return InvalidArgument("{} cannot be represented as a time", seconds);
    GoTime time;
    const auto ns = static_cast<int64_t>(std::llround(seconds * 1e3)) * kNsPerMs;
    time.seconds = ns / kNsPerSecond - (ns % kNsPerSecond < 0 ? 1 : 0);
    time.nanosecond = static_cast<int32_t>(((ns % kNsPerSecond) + kNsPerSecond) % kNsPerSecond);
    return time;
  };
  AddFunction(out, "humanizeTimestamp", {TemplateType::kAny}, [time_of](TemplateArgs args) -> TemplateResult {
    ASSIGN_OR_RETURN(const double seconds, ToFloat(args[0]));
    if (std::isnan(seconds) || std::isinf(seconds)) return Value::String(FourDigits(seconds));
    ASSIGN_OR_RETURN(const GoTime time, time_of(args[0]));
    return Value::String(GoTimeText(time));
  });
  AddFunction(out, "toTime", {TemplateType::kAny}, [time_of](TemplateArgs args) -> TemplateResult {
    ASSIGN_OR_RETURN(const GoTime time, time_of(args[0]));
    return Value::Time(time);
  });
  AddFunction(out, "toDuration", {TemplateType::kAny}, [](TemplateArgs args) -> TemplateResult {
    ASSIGN_OR_RETURN(const double seconds, ToFloat(args[0]));
    if (!(std::abs(seconds) < 9.2e9))
      return InvalidArgument("{} cannot be represented as a duration", seconds);
    return Value::String(FormatGoDuration(static_cast<int64_t>(seconds * 1e9)));
  });
  AddFunction(out, "parseDuration", {TemplateType::kString}, [](TemplateArgs args) -> TemplateResult {
    ASSIGN_OR_RETURN(const int64_t ns, ParsePrometheusDuration(args[0].as_string()));
    return Value::Float(static_cast<double>(ns) / 1e9);
  });
}

void AddTextFunctions(TemplateFunctions* out) {
  const auto text = [out](const char* name, std::function<std::string(const std::string&)> run) {
    AddFunction(out, name, {TemplateType::kString},
                [run = std::move(run)](TemplateArgs args) -> TemplateResult {
                  return Value::String(run(args[0].as_string()));
                });
  };
  text("title", Title);
  text("toUpper", [](const std::string& s) { return ToUpper(s); });
  text("toLower", [](const std::string& s) { return ToLower(s); });
  text("urlQueryEscape", [](const std::string& s) { return QueryEscape(s); });
  text("safeHtml", [](const std::string& s) { return s; });
  text("stripDomain", StripDomain);
  text("stripPort", [](const std::string& s) {
    std::string host;
    std::string port;
    return SplitPort(s, &host, &port) ? host : s;
  });
  text("graphLink", [](const std::string& s) { return "/graph?g0.expr=" + QueryEscape(s) + "&g0.tab=0"; });
  text("tableLink", [](const std::string& s) { return "/graph?g0.expr=" + QueryEscape(s) + "&g0.tab=1"; });
  AddFunction(
      out, "match", {TemplateType::kString, TemplateType::kString}, [](TemplateArgs args) -> TemplateResult {
        ASSIGN_OR_RETURN(const std::shared_ptr<const re2::RE2> regex, CompileGoRegex(args[0].as_string()));
        return Value::Bool(re2::RE2::PartialMatch(args[1].as_string(), *regex));
      });
  AddFunction(out, "reReplaceAll", {TemplateType::kString, TemplateType::kString, TemplateType::kString},
              [](TemplateArgs args) -> TemplateResult {
                ASSIGN_OR_RETURN(std::string replaced,
                                 ReplaceAll(args[0].as_string(), args[1].as_string(), args[2].as_string()));
                return Value::String(std::move(replaced));
              });
  AddFunction(
      out, "args", {TemplateType::kAny},
      [](TemplateArgs args) -> TemplateResult {
        Value::Map map;
        for (size_t i = 0; i < args.size(); ++i) map[fmt::format("arg{}", i)] = args[i];
        return Value::FromMap(std::move(map));
      },
      true);
}

void AddQueryFunctions(TemplateFunctions* out) {
  TemplateFunction query;
  query.params = {TemplateType::kString};
  query.run = [](TemplateArgs args, const TemplateData& data) -> TemplateResult {
    const auto& rule_data = static_cast<const RuleData&>(data);
    if (!rule_data.context().query) return InvalidArgument("no queries here");
    ASSIGN_OR_RETURN(const Vector vector, rule_data.context().query(args[0].as_string()));
    Value::List list;
    for (const VectorSample& sample : vector.samples) list.push_back(SampleValue(rule_data, sample));
    return Value::FromList(std::move(list));
  };
  (*out)["query"] = query;
  const auto environment = [out](const char* name, std::function<Value(const TemplateContext&)> read) {
    TemplateFunction& f = (*out)[name];
    f.run = [read = std::move(read)](TemplateArgs, const TemplateData& data) -> TemplateResult {
      return read(ContextOf(data));
    };
  };
  environment("externalURL", [](const TemplateContext& c) { return Value::String(c.external_url); });
  environment("pathPrefix", [](const TemplateContext& c) { return Value::String(PathOf(c.external_url)); });
  environment("now",
              [](const TemplateContext& c) { return Value::Float(static_cast<double>(c.time_ns) / 1e9); });
  AddFunction(out, "first", {TemplateType::kAny}, [](TemplateArgs args) -> TemplateResult {
    const Value list = args[0].boxed() ? args[0].Unboxed() : args[0];
    if (list.kind() != Value::Kind::kList || list.as_list().empty()) {
      return InvalidArgument("first() called on vector with no elements");
    }
    return list.as_list().front();
  });
  AddFunction(out, "value", {TemplateType::kAny},
              [](TemplateArgs args) -> TemplateResult { return Field(args[0], "Value"); });
  AddFunction(out, "label", {TemplateType::kString, TemplateType::kAny},
              [](TemplateArgs args) -> TemplateResult {
                return Value::String(LabelOf(args[1], args[0].as_string()));
              });
  AddFunction(out, "strvalue", {TemplateType::kAny}, [](TemplateArgs args) -> TemplateResult {
    return Value::String(LabelOf(args[0], "__value__"));
  });
  AddFunction(out, "sortByLabel", {TemplateType::kString, TemplateType::kAny},
              [](TemplateArgs args) -> TemplateResult {
                const Value list = args[1].boxed() ? args[1].Unboxed() : args[1];
                if (list.kind() != Value::Kind::kList) return InvalidArgument("sortByLabel of no vector");
                Value::List sorted = list.as_list();
                const std::string& name = args[0].as_string();
                std::stable_sort(sorted.begin(), sorted.end(), [&](const Value& a, const Value& b) {
                  return LabelOf(a, name) < LabelOf(b, name);
                });
                return Value::FromList(std::move(sorted));
              });
}

const std::shared_ptr<const TemplateFunctions>& RuleTemplateFunctions() {
  static const std::shared_ptr<const TemplateFunctions> functions = [] {
    auto out = std::make_shared<TemplateFunctions>(TemplateBuiltins());
    AddNumberFunctions(out.get());
    AddTextFunctions(out.get());
    AddQueryFunctions(out.get());
    return std::shared_ptr<const TemplateFunctions>(std::move(out));
  }();
  return functions;
}

}  // namespace

std::string Humanize(double value) {
  if (value == 0 || std::isnan(value) || std::isinf(value)) return FourDigits(value);
  if (std::abs(value) < 1) return Small(value, "");
  const char* prefix = "";
  for (const char* next : {"k", "M", "G", "T", "P", "E", "Z", "Y"}) {
    if (std::abs(value) < 1000) break;
    prefix = next;
    value /= 1000;
  }
  return FourDigits(value) + prefix;
}

std::string Humanize1024(double value) {
  if (std::abs(value) <= 1 || std::isnan(value) || std::isinf(value)) return FourDigits(value);
  const char* prefix = "";
  for (const char* next : {"ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi"}) {
    if (std::abs(value) < 1024) break;
    prefix = next;
    value /= 1024;
  }
  return FourDigits(value) + prefix;
}

std::string HumanizeDuration(double seconds) {
  if (std::isnan(seconds) || std::isinf(seconds)) return FourDigits(seconds);
  if (seconds == 0) return FourDigits(seconds) + "s";
  if (std::abs(seconds) < 1) return Small(seconds, "s");
  const char* sign = seconds < 0 ? "-" : "";
  seconds = std::abs(seconds);
  const int64_t whole = seconds < 9e18 ? static_cast<int64_t>(seconds) : std::numeric_limits<int64_t>::max();
  const int64_t s = whole % 60;
  const int64_t m = whole / 60 % 60;
  const int64_t h = whole / 3600 % 24;
  const int64_t d = whole / 86400;
  if (d != 0) return fmt::format("{}{}d {}h {}m {}s", sign, d, h, m, s);
  if (h != 0) return fmt::format("{}{}h {}m {}s", sign, h, m, s);
  if (m != 0) return fmt::format("{}{}m {}s", sign, m, s);
  return sign + FourDigits(seconds) + "s";
}

std::string HumanizePercentage(double ratio) { return FourDigits(ratio * 100) + "%"; }

absl::Status CheckTemplate(std::string_view text) {
  if (text.find("{{") == std::string_view::npos) return absl::OkStatus();
  return Template::Parse("rule", std::string(kPreset) + std::string(text), RuleTemplateFunctions()).status();
}

std::string ExpandTemplate(std::string_view name, std::string_view text, const TemplateContext& context,
                           bool* failed) {
  if (text.find("{{") == std::string_view::npos) return std::string(text);
  const auto error = [&](const absl::Status& status) {
    *failed = true;
    return fmt::format("<error expanding template: error executing template {}: {}>", name,
                       MessageOf(status));
  };
  const absl::StatusOr<std::shared_ptr<const Template>> parsed =
      Template::Parse(name, std::string(kPreset) + std::string(text), RuleTemplateFunctions());
  if (!parsed.ok()) return error(parsed.status());
  const RuleData data(context);
  static const Labels kNone;
  Value::Map dot;
  dot["Labels"] = Value::Data(data.Keep(*context.labels));
  dot["ExternalLabels"] =
      Value::Data(data.Keep(context.external_labels != nullptr ? *context.external_labels : kNone));
  dot["ExternalURL"] = Value::String(context.external_url);
  dot["Value"] = Value::Float(context.value);
  std::string out;
  const absl::Status status = (*parsed)->Execute(Value::FromMap(std::move(dot)), data, &out);
  return status.ok() ? out : error(status);
}

}  // namespace skald::rules
