#include "agent/files/text_encoding.h"

#include <gtest/gtest.h>

#include <string>

namespace skald::agent {
namespace {

// Every label of the Encoding standard whose encoding the C library has, and IANA's names that Go's index
// knows; decoded: a text of that encoding, and what it says.
struct Row {
  const char* names;  // separated by spaces
  std::string bytes;
  std::string want;
};

TEST(TextEncodingTest, Names) {
  const Row rows[] = {
      {"utf-16be UTF-16 csUTF16 unicodefffe", std::string("\x20\xAC", 2), "\u20AC"},
      {"utf-16le UTF-16LE unicode ucs-2 csunicode iso-10646-ucs-2", std::string("\xAC\x20", 2), "\u20AC"},
      {"ibm866 866 cp866 csibm866", "\x80", "\u0410"},
      {"iso-8859-2 latin2 l2 iso_8859-2 iso-ir-101 csisolatin2 iso8859-2", "\xA1", "\u0104"},
      {"iso-8859-3 latin3 iso-8859-4 latin4", "\xA4", "\u00A4"},
      {"iso-8859-5 cyrillic iso-ir-144 csisolatincyrillic", "\xB0", "\u0410"},
      {"iso-8859-6 arabic ecma-114 asmo-708 csiso88596e iso-8859-6-e", "\xC7", "\u0627"},
      {"iso-8859-7 greek ecma-118 elot_928 greek8 sun_eu_greek", "\xC1", "\u0391"},
      {"iso-8859-8 hebrew visual iso-8859-8-i logical csiso88598i", "\xE0", "\u05D0"},
      {"iso-8859-10 l6 latin6 iso-8859-13 iso-8859-14 iso-8859-16", "\xC4", "\u00C4"},
      {"iso-8859-15 l9 latin-9 iso_8859-15", "\xA4", "\u20AC"},
      {"koi8-r koi8 koi koi8_r cskoi8r koi8-u koi8-ru", "\xC1", "\u0430"},
      {"macintosh mac x-mac-roman csmacintosh", "\x80", "\u00C4"},
      {"x-mac-cyrillic", "\x80", "\u0410"},
      {"windows-874 dos-874 tis-620 iso-8859-11", "\xA1", "\u0E01"},
      {"windows-1250 cp1250 x-cp1250", "\x8A", "\u0160"},
      {"windows-1251 cp1251 x-cp1251", "\xC0", "\u0410"},
      {"windows-1252 cp1252 x-cp1252", "\x80", "\u20AC"},
      {"iso-8859-1 latin1 l1 iso_8859-1 iso8859-1 cp819 ibm819", "\xE4", "\u00E4"},
      {"windows-1253 cp1253", "\xC1", "\u0391"},
      {"windows-1254 cp1254 iso-8859-9 latin5 l5", "\xDD", "\u0130"},
      {"windows-1255 windows-1257 windows-1258", "\x80", "\u20AC"},
      {"windows-1256", "\xC7", "\u0627"},
      {"gbk GB2312 x-gbk chinese cp936 gb18030 iso-ir-58 gb_2312-80", "\xC4\xE3", "\u4F60"},
      {"big5 big5-hkscs cn-big5 csbig5 x-x-big5", "\xA7\x41", "\u4F60"},
      {"euc-jp x-euc-jp cseucpkdfmtjapanese", "\xC6\xFC", "\u65E5"},
      {"shift_jis sjis shift-jis ms_kanji csshiftjis windows-31j x-sjis", "\x93\xFA", "\u65E5"},
      {"iso-2022-jp csiso2022jp", "\x1B$BF|\x1B(B", "\u65E5"},
      {"euc-kr korean ks_c_5601-1987 ksc5601 windows-949 iso-ir-149", "\xC7\xD1", "\uD55C"},
      {"IBM037 IBM1047", "\x81", "a"},
      {"IBM437 IBM850 IBM852", "\x84", "\u00E4"},
  };
  for (const Row& row : rows) {
    const std::string names = row.names;
    for (size_t at = 0; at < names.size();) {
      const size_t end = std::min(names.find(' ', at), names.size());
      const std::string name = names.substr(at, end - at);
      at = end + 1;
      const auto encoding = TextEncoding::Make(name);
      ASSERT_TRUE(encoding.ok()) << name << " " << encoding.status();
      ASSERT_NE(*encoding, nullptr) << name;
      TextDecoder decoder(**encoding);
      std::string text;
      decoder.Decode(row.bytes, true, &text);
      EXPECT_EQ(text, row.want) << name;
      EXPECT_EQ(decoder.replaced(), 0u) << name;
    }
  }
}

TEST(TextEncodingTest, Utf8NeedsNone) {
  for (const char* name : {"utf-8", "UTF-8", "utf8", "unicode-1-1-utf-8", "us-ascii"}) {
    const auto encoding = TextEncoding::Make(name);
    ASSERT_TRUE(encoding.ok()) << name;
    EXPECT_EQ(*encoding, nullptr) << name;
  }
}

TEST(TextEncodingTest, RefusesWhatItCannotRead) {
  for (const char* name : {"", "no-such-thing", "utf-8//TRANSLIT", "utf-32", "x-user-defined"})
    EXPECT_FALSE(TextEncoding::Make(name).ok()) << name;
}

TEST(TextEncodingTest, PiecesAndBrokenBytes) {
  TextDecoder decoder(TextEncoding::Utf16LittleEndian());
  std::string text;
  // A pair of units in four pieces, a unit that stands alone, half a unit at the end.
  for (const char c : {'\x3D', '\xD8', '\x42', '\xDE'}) decoder.Decode({&c, 1}, false, &text);
  EXPECT_EQ(text, "\U0001F642");
  decoder.Decode(std::string("\x42\xDE"
                             "a\0b",
                             5),
                 true, &text);
  EXPECT_EQ(text, "\U0001F642\uFFFDa\uFFFD");
  EXPECT_EQ(decoder.replaced(), 2u);
  decoder.Begin();
  text.clear();
  decoder.Decode(std::string("c\0", 2), true, &text);
  EXPECT_EQ(text, "c");
}

TEST(TextEncodingTest, NewlineIsAWholeUnit) {
  const TextEncoding& big = TextEncoding::Utf16BigEndian();
  const std::string data("\x0A\x00\x0A\x0A\x00\x0A", 6);
  EXPECT_EQ(big.FindNewline(data, 0, 0), 4u);
  EXPECT_EQ(big.FindNewline(data, 0, 1), 1u);
  EXPECT_EQ(big.FindNewline(data, 5, 0), std::string::npos);
}

}  // namespace
}  // namespace skald::agent
