#include "proto/push/push_json_error.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>

namespace skald {
namespace {

constexpr size_t kPiece = 512;   // what is read at a time
constexpr int kMaxDepth = 1000;  // deeper bodies are refused before this looks at them

bool Blank(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }
bool Digit(char c) { return c >= '0' && c <= '9'; }

// Goes over a body as a forgiving reader does: the first error is kept, and the reading goes on.
class Reader {
 public:
  Reader(std::string_view body, const std::optional<StreamFault>& fault)
      : body_(body), end_(std::min(body.size(), kPiece)), fault_(fault) {}

  std::optional<std::string> Request() {
    if (ReadRequestStart()) {
      do {
        if (FieldIsStreams()) {
          Streams();
          Wrap("Streams: ");
        } else {
          Skip(0);
        }
      } while (!ObjectEnds());
      Wrap("loghttp.PushRequest.");
    }
    return error_;
  }

 private:
  void Wrap(std::string_view where) {
    if (error_) error_->insert(0, where);
  }

  void Report(std::string_view operation, std::string_view what) {
    if (error_) return;
    const auto around = [this](size_t bytes) {
      const size_t from = head_ - std::min(head_ - begin_, bytes);
      return body_.substr(from, std::min(head_ + bytes, end_) - from);
    };
    error_ = fmt::format("{}: {}, error found in #{} byte of ...|{}|..., bigger context ...|{}|...",
                         operation, what, std::min<size_t>(head_ - begin_, 10), around(10), around(50));
  }
  void ReportFound(std::string_view operation, std::string_view expected, char c) {
    Report(operation, std::string(expected) + ", but found " + c);
  }

  bool failed() const { return error_.has_value() || at_end_; }

  bool More() {
    if (end_ == body_.size()) {
      at_end_ = true;
      return false;
    }
    begin_ = head_ = end_;
    end_ = std::min(body_.size(), begin_ + kPiece);
    return true;
  }

  // The next character that is not blank, 0 at the end.
  char Next() {
    do {
      for (size_t i = head_; i < end_; ++i) {
        if (Blank(body_[i])) continue;
        head_ = i + 1;
        return body_[i];
      }
    } while (More());
    return 0;
  }
  char Byte() {
    if (head_ == end_ && !More()) return 0;
    return body_[head_++];
  }
  void Back() {
    if (!failed() && head_ > begin_) --head_;
  }

  bool ReadRequestStart() {
    const char c = Next();
    if (c == '{') {
      if (Next() == '}') return false;
      Back();
      return true;
    }
    if (c == 'n') {
      Word("ull", "skipThreeBytes");
    } else {
      ReportFound("readObjectStart", "expect { or n", c);
    }
    return false;
  }

  bool FieldIsStreams() {
    constexpr std::string_view kName = "readFieldHash";
    if (const char c = Next(); c != '"') {
      ReportFound(kName, "expect \"", c);
      return false;
    }
    std::string name;
    while (true) {
      for (size_t i = head_; i < end_; ++i) {
        char c = body_[i];
        if (c == '"' || c == '\\') {
          head_ = i;
          StringTail(&name);
          if (const char colon = Next(); colon != ':') {
            ReportFound(kName, "expect :", colon);
            return false;
          }
          return name == "streams";
        }
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
        AddToName(&name, c);
      }
      if (!More()) {
        Report(kName, "incomplete field name");
        return false;
      }
    }
  }

  bool ObjectEnds() {
    const char c = Next();
    if (c == ',') return false;
    if (c != '}') Report("isObjectEnd", std::string("object ended prematurely, unexpected char ") + c);
    return true;
  }

  void Streams() {
    ReadStreams();
    Wrap("[]loghttp.LogProtoStream: ");
  }

  void ReadStreams() {
    char c = Next();
    if (c == 'n') return Word("ull", "skipThreeBytes");
    if (c != '[') return ReportFound("decode slice", "expect [ or n", c);
    if (Next() == ']') return;
    Back();
    do {
      Next();
      Back();
      Skip(0);
      if (fault_ && fault_->stream == streams_++) Report("unmarshalerDecoder", fault_->text);
      c = Next();
    } while (c == ',');
    if (c != ']') ReportFound("decode slice", "expect ]", c);
  }

  void Skip(int depth) {
    const char c = Next();
    if (c == '"') return SkipString();
    if (c == 'n') return Word("ull", "skipThreeBytes");
    if (c == 't') return Word("rue", "skipThreeBytes");
    if (c == 'f') return Word("alse", "skipFourBytes");
    if (Digit(c) || c == '-') return SkipNumber(c);
    if ((c == '[' || c == '{') && depth >= kMaxDepth) return Report("incrementDepth", "exceeded max depth");
    if (c == '[') return SkipArray(depth + 1);
    if (c == '{') return SkipObject(depth + 1);
    Report("Skip", fmt::format("do not know how to skip: {}", static_cast<unsigned char>(c)));
  }

  void Word(std::string_view rest, std::string_view operation) {
    for (const char want : rest) {
      if (Byte() != want) return Report(operation, fmt::format("expect {}", rest));
    }
  }

  void SkipString() {
    for (size_t i = head_; i < end_; ++i) {
      const char c = body_[i];
      if (c == '"') {
        head_ = i + 1;
        return;
      }
      if (c == '\\') break;
      if (static_cast<unsigned char>(c) < ' ')
        return Report("trySkipString", fmt::format("invalid control character found: {}", +c));
    }
    StringTail(nullptr);
  }

  // More of a name than tells it from "streams" is not kept.
  static void AddToName(std::string* name, char c) {
    if (name->size() < 16) *name += c;
  }

  // The rest of a string whose quote was read, byte by byte; it is added to text unless that is null.
  void StringTail(std::string* text) {
    while (!failed()) {
      char c = Byte();
      if (c == '"' && !failed()) return;
      if (c == '\\') {
        c = Byte();
        Escape(c);
      } else if (text != nullptr) {
        AddToName(text, c);
      }
    }
    Report("readStringSlowPath", "unexpected end of input");
  }

  void Escape(char c) {
    if (c == 'u') {
      const uint32_t unit = FourHexDigits();
      if (failed() || unit < 0xD800 || unit > 0xDFFF) return;
      if (Byte() != '\\') return Back();
      c = Byte();
      if (failed()) return;
      if (c != 'u') return Escape(c);
      FourHexDigits();
    } else if (c == 0 || std::string_view("\"\\/bfnrt").find(c) == std::string_view::npos) {
      Report("readEscapedChar", "invalid escape char after \\");
    }
  }

  uint32_t FourHexDigits() {
    uint32_t out = 0;
    for (int i = 0; i < 4; ++i) {
      const char c = Byte();
      if (failed()) return out;
      const char lower = c >= 'A' && c <= 'F' ? static_cast<char>(c + 32) : c;
      if (!Digit(c) && !(lower >= 'a' && lower <= 'f')) {
        ReportFound("readU4", "expects 0~9 or a~f", c);
        return out;
      }
      out = out * 16 + static_cast<uint32_t>(Digit(c) ? c - '0' : lower - 'a' + 10);
    }
    return out;
  }

  // first: its first character, which was read.
  void SkipNumber(char first) {
    bool dot = false;
    for (size_t i = head_; first != '0' && i < end_; ++i) {
      const char c = body_[i];
      if (Digit(c)) continue;
      if (c == '.') {
        if (dot) return Report("validateNumber", "more than one dot found in number");
        if (i + 1 == end_) break;
        if (!Digit(body_[i + 1])) return Report("validateNumber", "missing digit after dot");
        dot = true;
        continue;
      }
      if ((c == ',' || c == ']' || c == '}' || Blank(c)) && i != head_) {
        head_ = i;
        return;
      }
      break;
    }
    const size_t begin = head_;
    while (true) {
      while (head_ < end_ &&
             (Digit(body_[head_]) || std::string_view("+-.eE").find(body_[head_]) != std::string_view::npos))
        ++head_;
      if (head_ < end_ || !More()) break;
    }
    if (first == '-' && head_ == begin) Report("readNumberAsString", "invalid number");
  }

  void SkipArray(int depth) {
    char c = Next();
    if (c == ']') return;
    Back();
    do {
      Skip(depth);
      c = Next();
    } while (c == ',');
    if (c != ']') ReportFound("ReadArrayCB", "expect ] in the end", c);
  }

  void SkipObject(int depth) {
    char c = Next();
    if (c == '}') return;
    if (c != '"') return ReportFound("ReadObjectCB", "expect \" after {", c);
    Back();
    do {
      SkipKey();
      if (c = Next(); c != ':') ReportFound("ReadObject", "expect : after object field", c);
      Skip(depth);
      c = Next();
    } while (c == ',');
    if (c != '}') Report("ReadObjectCB", "object not ended with }");
  }

  void SkipKey() {
    const char c = Next();
    if (c == 'n') return Word("ull", "skipThreeBytes");
    if (c != '"') return ReportFound("ReadString", "expects \" or n", c);
    for (size_t i = head_; i < end_; ++i) {
      const char at = body_[i];
      if (at == '"') {
        head_ = i + 1;
        return;
      }
      if (at == '\\') break;
      if (static_cast<unsigned char>(at) < ' ')
        return Report("ReadString", fmt::format("invalid control character found: {}", +at));
    }
    StringTail(nullptr);
  }

  const std::string_view body_;
  size_t begin_ = 0;  // of the piece at hand
  size_t end_;
  size_t head_ = 0;
  bool at_end_ = false;
  std::optional<std::string> error_;
  const std::optional<StreamFault>& fault_;
  size_t streams_ = 0;
};

}  // namespace

std::optional<std::string> PushJsonError(std::string_view body, const std::optional<StreamFault>& fault) {
  return Reader(body, fault).Request();
}

}  // namespace skald
