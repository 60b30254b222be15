// libFuzzer target: any text is parsed as a template, and what parses runs within its budgets. What comes
// before the first newline is the template, the rest a line that its labels are made of.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "text/template.h"

namespace {

class FuzzData : public skald::TemplateData {
 public:
  explicit FuzzData(std::string_view line) : line_(line) {}
  std::optional<std::string_view> Lookup(std::string_view name) const override {
    if (name == "a") return line_.substr(0, line_.size() / 2);
    if (name == "b") return line_.substr(line_.size() / 2);
    if (name == "n") return "12.5";
    if (name == "j") return R"({"a":[1,"x",{"b":null}],"c":true})";
    return std::nullopt;
  }
  void ForEach(absl::FunctionRef<void(std::string_view, std::string_view)> visit) const override {
    for (const std::string_view name : {"a", "b", "n", "j"}) visit(name, *Lookup(name));
  }
  std::string_view line() const override { return line_; }
  int64_t time_ns() const override { return int64_t{1'793'534'430'123'456'789}; }

 private:
  std::string_view line_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t newline = input.find('\n');
  const std::string_view text = input.substr(0, newline);
  const FuzzData row(newline == std::string_view::npos ? "a=1 b=2" : input.substr(newline + 1));
  const auto parsed = skald::Template::Parse("line", text, skald::LogTemplateFunctions());
  if (!parsed.ok()) {
    if (!skald::MessageOf(parsed.status()).starts_with("template: line:")) std::abort();
    return 0;
  }
  std::string out = "before";
  const absl::Status status = (*parsed)->Execute(row, &out);
  if (!out.starts_with("before")) std::abort();
  if (!status.ok() && (*parsed)->IsPlain()) std::abort();
  // A budget's worth, and what one step may write beyond it.
  if (out.size() > size_t{64} << 20) std::abort();
  if ((*parsed)->IsPlain() && out.size() > 6 + text.size() + text.size() * row.line().size()) std::abort();
  return 0;
}
