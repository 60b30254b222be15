#include "agent/files/text_encoding.h"

#include <iconv.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>
#include <utility>

#include "base/error.h"

namespace skald::agent {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

// Names of the two lists that the C library does not have, or takes for something else.
struct Alias {
  std::string_view name;
  std::string_view known_as;
};
constexpr Alias kAliases[] = {
    {"ccsid00858", "ibm858"},
    {"ccsid01140", "ibm1140"},
    {"chinese", "gbk"},
    {"cp00858", "ibm858"},
    {"cp01140", "ibm1140"},
    {"csbig5", "big5"},
    {"csgb2312", "gbk"},
    {"csiso58gb231280", "gbk"},
    {"csiso88596e", "iso-8859-6"},
    {"csiso88596i", "iso-8859-6"},
    {"csiso88598e", "iso-8859-8"},
    {"csiso88598i", "iso-8859-8"},
    {"csisolatin9", "iso-8859-15"},
    {"csksc56011987", "cp949"},
    {"csunicode", "utf-16le"},
    {"csutf16be", "utf-16be"},
    {"csutf16le", "utf-16le"},
    {"dos-866", "ibm866"},
    {"dos-874", "cp874"},
    {"gb2312", "gbk"},
    {"gb_2312", "gbk"},
    {"gb_2312-80", "gbk"},
    {"ibm00858", "ibm858"},
    {"ibm01140", "ibm1140"},
    {"iso-10646-ucs-2", "utf-16le"},
    {"iso-8859-11", "cp874"},
    {"iso-8859-6-e", "iso-8859-6"},
    {"iso-8859-6-i", "iso-8859-6"},
    {"iso-8859-8-e", "iso-8859-8"},
    {"iso-8859-8-i", "iso-8859-8"},
    {"iso-ir-149", "cp949"},
    {"iso-ir-58", "gbk"},
    {"koi", "koi8-r"},
    {"koi8", "koi8-r"},
    {"koi8-ru", "koi8-u"},
    {"koi8_r", "koi8-r"},
    {"korean", "cp949"},
    {"ks_c_5601-1987", "cp949"},
    {"ks_c_5601-1989", "cp949"},
    {"ksc5601", "cp949"},
    {"ksc_5601", "cp949"},
    {"l9", "iso-8859-15"},
    {"logical", "iso-8859-8"},
    {"sun_eu_greek", "iso-8859-7"},
    {"tis-620", "cp874"},
    {"ucs-2", "utf-16le"},
    {"unicode", "utf-16le"},
    {"unicodefeff", "utf-16"},
    {"unicodefffe", "utf-16be"},
    {"visual", "iso-8859-8"},
    {"windows-31j", "cp932"},
    {"windows-949", "cp949"},
    {"x-cp1250", "windows-1250"},
    {"x-cp1251", "windows-1251"},
    {"x-cp1252", "windows-1252"},
    {"x-cp1253", "windows-1253"},
    {"x-cp1254", "windows-1254"},
    {"x-cp1255", "windows-1255"},
    {"x-cp1256", "windows-1256"},
    {"x-cp1257", "windows-1257"},
    {"x-cp1258", "windows-1258"},
    {"x-euc-jp", "euc-jp"},
    {"x-gbk", "gbk"},
    {"x-mac-cyrillic", "mac-cyrillic"},
    {"x-mac-roman", "macintosh"},
    {"x-mac-ukrainian", "mac-uk"},
    {"x-sjis", "cp932"},
    {"x-x-big5", "big5"},
};

constexpr std::string_view kUtf8Names[] = {
    "utf-8",    "utf8",  "unicode-1-1-utf-8", "unicode11utf8", "unicode20utf8", "x-unicode20utf8", "csutf8",
    "us-ascii", "ascii", "ansi_x3.4-1968",    "csascii"};

std::string Lower(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return lower;
}

// nullopt if it cannot be said.
std::optional<std::string> EncodeNewlines(const std::string& encoding, std::string text) {
  const iconv_t converter = ::iconv_open(encoding.c_str(), "UTF-8");
  if (converter == reinterpret_cast<iconv_t>(-1)) return std::nullopt;
  std::array<char, 64> out;
  char* in_at = text.data();
  size_t in_left = text.size();
  char* out_at = out.data();
  size_t out_left = out.size();
  const size_t done = ::iconv(converter, &in_at, &in_left, &out_at, &out_left);
  ::iconv_close(converter);
  if (done == static_cast<size_t>(-1)) return std::nullopt;
  return std::string(out.data(), out.size() - out_left);
}

}  // namespace

const TextEncoding& TextEncoding::Utf16LittleEndian() {
  static const TextEncoding encoding("UTF-16LE", std::string("\n\0", 2), true);
  return encoding;
}

const TextEncoding& TextEncoding::Utf16BigEndian() {
  static const TextEncoding encoding("UTF-16BE", std::string("\0\n", 2), true);
  return encoding;
}

absl::StatusOr<std::shared_ptr<const TextEncoding>> TextEncoding::Make(std::string_view name) {
  std::string known = Lower(name);
  if (std::find(std::begin(kUtf8Names), std::end(kUtf8Names), known) != std::end(kUtf8Names)) return nullptr;
  for (const Alias& alias : kAliases) {
    if (alias.name != known) continue;
    known = alias.known_as;
    break;
  }
  // Where it says no order and the file has no mark, network order is the rule.
  const auto shared = [](const TextEncoding& encoding) {
    return std::shared_ptr<const TextEncoding>(std::shared_ptr<const TextEncoding>(), &encoding);
  };
  if (known == "utf-16le") return shared(Utf16LittleEndian());
  if (known == "utf-16be" || known == "utf-16" || known == "csutf16") return shared(Utf16BigEndian());
  // iconv takes a name's second part for options.
  if (known.empty() || known.find('/') != std::string::npos)
    return InvalidArgument("\"{}\" is not an encoding that is known here", name);
  const std::optional<std::string> newline = EncodeNewlines(known, "\n");
  if (!newline) return InvalidArgument("\"{}\" is not an encoding that is known here", name);
  const std::optional<std::string> two = EncodeNewlines(known, "\n\n");
  // A mark in front of the text, or a newline that depends on what stands before it.
  if (newline->empty() || !two || *two != *newline + *newline)
    return InvalidArgument("lines cannot be told apart in \"{}\"; name the byte order", name);
  return std::shared_ptr<const TextEncoding>(new TextEncoding(std::move(known), *newline, false));
}

size_t TextEncoding::FindNewline(std::string_view data, size_t at, uint64_t offset) const {
  if (newline_.size() == 1) return data.find(newline_[0], at);
  for (; (at = data.find(newline_, at)) != std::string_view::npos; ++at) {
    if ((offset + at) % newline_.size() == 0) return at;
  }
  return std::string_view::npos;
}

const TextEncoding* ByteOrderMark(std::string_view begin_of_file) {
  if (begin_of_file.starts_with("\xFF\xFE")) return &TextEncoding::Utf16LittleEndian();
  if (begin_of_file.starts_with("\xFE\xFF")) return &TextEncoding::Utf16BigEndian();
  return nullptr;
}

TextDecoder::TextDecoder(const TextEncoding& encoding)
    : converter_(::iconv_open("UTF-8", encoding.name().c_str())), width_(encoding.width()) {}

TextDecoder::~TextDecoder() {
  if (converter_ != reinterpret_cast<iconv_t>(-1)) ::iconv_close(static_cast<iconv_t>(converter_));
}

void TextDecoder::Begin() {
  carried_.clear();
  ::iconv(static_cast<iconv_t>(converter_), nullptr, nullptr, nullptr, nullptr);
}

void TextDecoder::Decode(std::string_view bytes, bool last, std::string* out) {
  std::string joined;
  if (!carried_.empty()) {
    joined = std::exchange(carried_, {});
    joined += bytes;
    bytes = joined;
  }
  const auto converter = static_cast<iconv_t>(converter_);
  char* in_at = const_cast<char*>(bytes.data());  // iconv does not write there
  size_t in_left = bytes.size();
  const auto replace = [&](size_t n) {
    n = std::min(n, in_left);
    in_at += n;
    in_left -= n;
    out->append(kReplacement);
    ++replaced_;
  };
  while (in_left > 0) {
    const size_t had = out->size();
    out->resize(had + in_left * 3 + 16);
    char* out_at = out->data() + had;
    size_t out_left = out->size() - had;
    const size_t done = ::iconv(converter, &in_at, &in_left, &out_at, &out_left);
    const int error = done == static_cast<size_t>(-1) ? errno : 0;
    out->resize(out->size() - out_left);
    if (error == EILSEQ) {
      replace(width_);
    } else if (error == EINVAL) {
      if (!last) {
        carried_.assign(in_at, in_left);
        return;
      }
      replace(in_left);
    } else if (error != 0 && error != E2BIG) {
      replace(width_);
    }
  }
}

}  // namespace skald::agent
