// json: {expressions, source, drop_malformed} extracts values by their paths: fields and array indexes of
// JMESPath. Numbers keep their text, objects and arrays become JSON without space.
#include <simdjson.h>

#include "agent/stages/stage.h"
#include "agent/stages/stage_config.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "text/json_path.h"
#include "text/json_scan.h"

namespace skald::agent {
namespace {

class JsonStage : public Stage {
 public:
  struct Expression {
    std::string name;
    JsonPath path;
  };
  JsonStage(std::vector<Expression> expressions, std::string source, bool drop_malformed)
      : expressions_(std::move(expressions)), source_(std::move(source)), drop_malformed_(drop_malformed) {}

  bool Run(Entry* entry) override {
    const std::string* const text = entry->Source(source_);
    if (text == nullptr) return true;
    const std::string json = source_.empty() ? std::string() : *text;  // extracted values may move
    const std::string_view line = source_.empty() ? std::string_view(*text) : std::string_view(json);
    // All of it must be JSON; the scan below takes more than that.
    if (!parser_.parse(line.data(), line.size()).is_object()) {
      if (drop_malformed_) entry->drop_reason = "malformed_json";
      return !drop_malformed_;
    }
    for (const Expression& expression : expressions_) {
      JsonValue value;
      if (!Find(line, expression.path, &value)) continue;
      entry->extracted.Set(expression.name, Extract(value));
    }
    return true;
  }

 private:
  // Where a name stands twice, the last one counts.
  bool Find(std::string_view object, const JsonPath& path, JsonValue* out) {
    out->type = JsonType::kObject;
    out->text = object;
    for (const auto& part : path) {
      JsonValue next;
      bool found = false;
      if (const auto* name = std::get_if<std::string>(&part)) {
        if (out->type != JsonType::kObject) return false;
        ForEachJsonMember(out->text, &key_, [&](std::string_view key, const JsonValue& value) {
          if (key == *name) {
            next = value;
            found = true;
          }
          return true;
        });
      } else {
        if (out->type != JsonType::kArray) return false;
        found = Element(out->text, std::get<uint64_t>(part), &next);
      }
      if (!found) return false;
      *out = next;
    }
    return true;
  }

  static bool Element(std::string_view array, uint64_t index, JsonValue* out) {
    const char* const end = array.data() + array.size();
    const char* p = SkipJsonSpace(array.data() + 1, end);
    for (uint64_t i = 0; p < end && *p != ']'; ++i) {
      if (ReadJsonValue(&p, end, out) != JsonError::kNone) return false;
      if (i == index) return true;
      p = SkipJsonSpace(p, end);
      if (p < end && *p == ',') p = SkipJsonSpace(p + 1, end);
    }
    return false;
  }

  static ExtractedValue Extract(const JsonValue& value) {
    using Type = ExtractedValue::Type;
    switch (value.type) {
      case JsonType::kString: {
        std::string text;
        if (!value.escaped || !AppendJsonUnescaped(&text, value.text)) text = value.text;
        return {Type::kString, std::move(text)};
      }
      case JsonType::kNumber:
        return {Type::kNumber, std::string(value.text)};
      case JsonType::kBool:
        return {Type::kBool, std::string(value.text)};
      case JsonType::kNull:
        return {Type::kNull, ""};
      case JsonType::kObject:
      case JsonType::kArray:
        break;
    }
    std::string packed(value.text.size(), '\0');
    size_t size = 0;
    if (simdjson::minify(value.text.data(), value.text.size(), packed.data(), size) != simdjson::SUCCESS)
      return {Type::kString, std::string(value.text)};
    packed.resize(size);
    return {Type::kString, std::move(packed)};
  }

  const std::vector<Expression> expressions_;
  const std::string source_;
  const bool drop_malformed_;
  simdjson::dom::parser parser_;
  std::string key_;
};

// JMESPath quotes a field as "a b"; the path syntax has ["a b"] for it.
std::string PathOfJmesPath(std::string_view text) {
  std::string path;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool begins = i == 0 || text[i - 1] == '.';
    if (text[i] != '"' || !begins) {
      path += text[i];
      continue;
    }
    const size_t end = text.find('"', i + 1);
    if (end == std::string_view::npos) return std::string(text);
    if (path.ends_with('.')) path.pop_back();
    path.append("[").append(text.substr(i, end + 1 - i)).append("]");
    i = end;
  }
  return path;
}

}  // namespace

StageOr MakeJsonStage(const YAML::Node& config, const StageContext&) {
  RETURN_IF_ERROR(CheckStageKeys(config, {"expressions", "source", "drop_malformed"}));
  if (!config.IsMap()) return InvalidArgument("expressions is required");
  ASSIGN_OR_RETURN(const auto mapping, StageMapping(config["expressions"]));
  std::vector<JsonStage::Expression> expressions;
  for (const auto& [name, text] : mapping) {
    absl::StatusOr<JsonPath> path = ParseJsonPath(PathOfJmesPath(text));
    if (!path.ok()) {
      return InvalidArgument("expression \"{}\" of {}: only fields and indexes are done: {}", text, name,
                             MessageOf(path.status()));
    }
    expressions.push_back({name, std::move(*path)});
  }
  const bool drop = config["drop_malformed"].IsDefined() && config["drop_malformed"].as<bool>();
  return std::make_unique<JsonStage>(std::move(expressions), StageText(config, "source"), drop);
}

}  // namespace skald::agent
