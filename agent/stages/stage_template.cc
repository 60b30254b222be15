#include "agent/stages/stage_template.h"

#include <openssl/evp.h>

#include <optional>

#include "base/status_macros.h"
#include "text/template_functions.h"

namespace skald::agent {
namespace {

std::string HexDigest(const EVP_MD* kind, std::string_view bytes) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  EVP_Digest(bytes.data(), bytes.size(), digest, &size, kind, nullptr);
  constexpr char kHex[] = "0123456789abcdef";
  std::string hex;
  for (unsigned int i = 0; i < size; ++i) {
    hex += kHex[digest[i] >> 4];
    hex += kHex[digest[i] & 15];
  }
  return hex;
}

TemplateValue Salted(const EVP_MD* kind, TemplateArgs args) {
  return TemplateValue::String(HexDigest(kind, args[0].as_string() + args[1].as_string()));
}

bool IsEmpty(const TemplateValue& value) { return !value.Unboxed().IsTrue(); }

std::string Printed(const TemplateValue& value) {
  std::string out;
  value.Print(&out);
  return out;
}

std::shared_ptr<const TemplateFunctions> MakeFunctions() {
  auto functions = std::make_shared<TemplateFunctions>(*LogTemplateFunctions());
  using Type = TemplateType;
  TemplateFunctions* const out = functions.get();
  AddFunction(out, "Hash", {Type::kString, Type::kString},
              [](TemplateArgs args) { return Salted(EVP_sha3_256(), args); });
  AddFunction(out, "Sha2Hash", {Type::kString, Type::kString},
              [](TemplateArgs args) { return Salted(EVP_sha256(), args); });
  // Of the sprig set, what stands in pipelines beside what LogQL has too.
  AddFunction(out, "sha256sum", {Type::kString}, [](TemplateArgs args) {
    return TemplateValue::String(HexDigest(EVP_sha256(), args[0].as_string()));
  });
  AddFunction(out, "sha1sum", {Type::kString}, [](TemplateArgs args) {
    return TemplateValue::String(HexDigest(EVP_sha1(), args[0].as_string()));
  });
  AddFunction(out, "sha512sum", {Type::kString}, [](TemplateArgs args) {
    return TemplateValue::String(HexDigest(EVP_sha512(), args[0].as_string()));
  });
  AddFunction(out, "empty", {Type::kAny},
              [](TemplateArgs args) { return TemplateValue::Bool(IsEmpty(args[0])); });
  AddFunction(
      out, "coalesce", {Type::kAny},
      [](TemplateArgs args) {
        for (const TemplateValue& value : args) {
          if (!IsEmpty(value)) return value.Unboxed();
        }
        return TemplateValue::Nil();
      },
      true);
  AddFunction(out, "ternary", {Type::kAny, Type::kAny, Type::kBool},
              [](TemplateArgs args) { return args[2].as_bool() ? args[0] : args[1]; });
  AddFunction(
      out, "quote", {Type::kAny},
      [](TemplateArgs args) {
        std::string text;
        for (const TemplateValue& value : args) {
          if (value.Unboxed().kind() == TemplateValue::Kind::kInvalid) continue;
          if (!text.empty()) text += ' ';
          AppendGoQuoted(&text, Printed(value));
        }
        return TemplateValue::String(std::move(text));
      },
      true);
  AddFunction(out, "squote", {Type::kAny},
              [](TemplateArgs args) { return TemplateValue::String("'" + Printed(args[0]) + "'"); });
  return functions;
}

// The data itself is the map that Execute is given; functions of LogQL that look at labels see none.
class NoData : public TemplateData {
 public:
  explicit NoData(const Entry& entry) : entry_(entry) {}
  std::optional<std::string_view> Lookup(std::string_view) const override { return std::nullopt; }
  void ForEach(absl::FunctionRef<void(std::string_view, std::string_view)>) const override {}
  std::string_view line() const override { return entry_.line; }
  int64_t time_ns() const override { return entry_.time_ns; }

 private:
  const Entry& entry_;
};

}  // namespace

absl::StatusOr<StageTemplate> StageTemplate::Parse(std::string_view text) {
  static const auto* const functions = new std::shared_ptr<const TemplateFunctions>(MakeFunctions());
  StageTemplate out;
  ASSIGN_OR_RETURN(out.template_, Template::Parse("pipeline_template", text, *functions));
  return out;
}

absl::StatusOr<std::string> StageTemplate::Execute(const Entry& entry, const std::string* value) const {
  TemplateValue::Map map;
  for (const auto& [name, extracted] : entry.extracted) {
    if (extracted.type != ExtractedValue::Type::kNull) map[name] = TemplateValue::String(extracted.text);
  }
  if (value != nullptr) map["Value"] = TemplateValue::String(*value);
  map["Entry"] = TemplateValue::String(entry.line);
  std::string out;
  const NoData data(entry);
  RETURN_IF_ERROR(template_->Execute(TemplateValue::FromMap(std::move(map)), data, &out));
  return out;
}

}  // namespace skald::agent
