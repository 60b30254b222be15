#include "proto/push/push_json_error.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/error.h"
#include "proto/push/push_decode.h"

namespace skald {
namespace {

// As a Loki answers them; @ stands for the byte 0, which it names where a body ends.
TEST(PushJsonError, Texts) {
  const struct {
    const char* body;
    const char* want;
  } kRows[] =
      {
          {R"x( )x",
           R"x(readObjectStart: expect { or n, but found @, error found in #0 byte of ...| |..., bigger context ...| |...)x"},
          {R"x({)x",
           R"x(loghttp.PushRequest.readFieldHash: expect ", but found @, error found in #1 byte of ...|{|..., bigger context ...|{|...)x"},
          {R"x(})x",
           R"x(readObjectStart: expect { or n, but found }, error found in #1 byte of ...|}|..., bigger context ...|}|...)x"},
          {R"x([])x",
           R"x(readObjectStart: expect { or n, but found [, error found in #1 byte of ...|[]|..., bigger context ...|[]|...)x"},
          {R"x(5)x",
           R"x(readObjectStart: expect { or n, but found 5, error found in #1 byte of ...|5|..., bigger context ...|5|...)x"},
          {R"x("x")x",
           R"x(readObjectStart: expect { or n, but found ", error found in #1 byte of ...|"x"|..., bigger context ...|"x"|...)x"},
          {R"x(true)x",
           R"x(readObjectStart: expect { or n, but found t, error found in #1 byte of ...|true|..., bigger context ...|true|...)x"},
          {R"x({"streams")x",
           R"x(loghttp.PushRequest.readFieldHash: expect :, but found @, error found in #10 byte of ...|{"streams"|..., bigger context ...|{"streams"|...)x"},
          {R"x({"streams":)x",
           R"x(loghttp.PushRequest.Streams: []loghttp.LogProtoStream: decode slice: expect [ or n, but found @, error found in #10 byte of ...|"streams":|..., bigger context ...|{"streams":|...)x"},
          {R"x({"streams":5})x",
           R"x(loghttp.PushRequest.Streams: []loghttp.LogProtoStream: decode slice: expect [ or n, but found 5, error found in #10 byte of ...|streams":5}|..., bigger context ...|{"streams":5}|...)x"},
          {R"x({"streams":{}})x",
           R"x(loghttp.PushRequest.Streams: []loghttp.LogProtoStream: decode slice: expect [ or n, but found {, error found in #10 byte of ...|streams":{}}|..., bigger context ...|{"streams":{}}|...)x"},
          {R"x({"streams":[)x",
           R"x(loghttp.PushRequest.Streams: []loghttp.LogProtoStream: Skip: do not know how to skip: 0, error found in #10 byte of ...|streams":[|..., bigger context ...|{"streams":[|...)x"},
          {R"x({"streams":[])x",
           R"x(loghttp.PushRequest.isObjectEnd: object ended prematurely, unexpected char @, error found in #10 byte of ...|treams":[]|..., bigger context ...|{"streams":[]|...)x"},
          {R"x({"streams":[5]})x",
           R"x(loghttp.PushRequest.Streams: []loghttp.LogProtoStream: unmarshalerDecoder: Value looks like object, but can't find closing '}' symbol, error found in #10 byte of ...|treams":[5]}|..., bigger context ...|{"streams":[5]}|...)x"},
          {R"x({"streams":[null]})x",
           R"x(loghttp.PushRequest.Streams: []loghttp.LogProtoStream: unmarshalerDecoder: Value looks like object, but can't find closing '}' symbol, error found in #10 byte of ...|ams":[null]}|..., bigger context ...|{"streams":[null]}|...)x"},
          {R"x({"streams":[{})x",
           R"x(loghttp.PushRequest.Streams: []loghttp.LogProtoStream: decode slice: expect ], but found @, error found in #10 byte of ...|reams":[{}|..., bigger context ...|{"streams":[{}|...)x"},
          {R"x({"streams":[{"stream":{"a":"b"},"values":5}]})x",
           R"x(loghttp.PushRequest.Streams: []loghttp.LogProtoStream: unmarshalerDecoder: Malformed JSON error, error found in #10 byte of ...|values":5}]}|..., bigger context ...|{"streams":[{"stream":{"a":"b"},"values":5}]}|...)x"},
          {R"x({"streams":[{"stream":{"a":"b"},"values":{}}]})x",
           R"x(loghttp.PushRequest.Streams: []loghttp.LogProtoStream: unmarshalerDecoder: Unknown value type, error found in #10 byte of ...|alues":{}}]}|..., bigger context ...|{"streams":[{"stream":{"a":"b"},"values":{}}]}|...)x"},
          {R"x({"streams":[{"stream":{"a":"b"},"values":[5]}]})x",
           R"x(loghttp.PushRequest.Streams: []loghttp.LogProtoStream: unmarshalerDecoder: Malformed JSON error, error found in #10 byte of ...|lues":[5]}]}|..., bigger context ...|{"streams":[{"stream":{"a":"b"},"values":[5]}]}|...)x"},
          {R"x({"streams":[{"stream":{"a":"b"},"values":[{}]}]})x", R"x(loghttp.PushRequest.Streams: []loghttp.LogProtoStream: unmarshalerDecoder: Unknown value type, error found in #10 byte of ...|ues":[{}]}]}|..., bigger context ...|{"streams":[{"stream":{"a":"b"},"values":[{}]}]}|...)x"},
          {R"x({"streams":[{"stream":{"a":"b"},"values":[[5,"x"]]}]})x",
           R"x(loghttp.PushRequest.Streams: []loghttp.LogProtoStream: unmarshalerDecoder: Value looks like Number/Boolean/None, but can't find its end: ',' or '}' symbol, error found in #10 byte of ...|[[5,"x"]]}]}|..., bigger context ...|"streams":[{"stream":{"a":"b"},"values":[[5,"x"]]}]}|...)x"},
          {R"x({"streams":[{"stream":{"a":"b"},"values":[[1795263484637808275,"x"]]}]})x",
           R"x(loghttp.PushRequest.Streams: []loghttp.LogProtoStream: unmarshalerDecoder: Value looks like Number/Boolean/None, but can't find its end: ',' or '}' symbol, error found in #10 byte of ...|275,"x"]]}]}|..., bigger context ...|m":{"a":"b"},"values":[[1795263484637808275,"x"]]}]}|...)x"},
          {R"x({"streams":[{"stream":{"a":"b"},"values":[["1795263484637808275",5]]}]})x",
           R"x(loghttp.PushRequest.Streams: []loghttp.LogProtoStream: unmarshalerDecoder: Value is string, but can't find closing '"' symbol, error found in #10 byte of ...|8275",5]]}]}|..., bigger context ...|m":{"a":"b"},"values":[["1795263484637808275",5]]}]}|...)x"},
          {R"x({"streams":[{"stream":{"a":"b"},"values":[["1795263484637808275",null]]}]})x",
           R"x(loghttp.PushRequest.Streams: []loghttp.LogProtoStream: unmarshalerDecoder: Value is string, but can't find closing '"' symbol, error found in #10 byte of ...|5",null]]}]}|..., bigger context ...|{"a":"b"},"values":[["1795263484637808275",null]]}]}|...)x"},
          {R"x({"streams":[{"stream":{"a":"b"},"values":[["1795263484637808275","x",{"k":"v"]}]})x",
           R"x(loghttp.PushRequest.Streams: []loghttp.LogProtoStream: ReadObjectCB: object not ended with }, error found in #10 byte of ...|,{"k":"v"]}]}|..., bigger context ...|b"},"values":[["1795263484637808275","x",{"k":"v"]}]}|...)x"},
          {R"x({"streams":[{"stream":{"a":"b"},"values":[["1795263484637808275","x"]}]})x",
           R"x(loghttp.PushRequest.Streams: []loghttp.LogProtoStream: ReadArrayCB: expect ] in the end, but found }, error found in #10 byte of ...|275","x"]}]}|..., bigger context ...|":{"a":"b"},"values":[["1795263484637808275","x"]}]}|...)x"},
          {R"x({"streams":[{"stream":{"a":"b"},"values":[["1795263484637808275","x]}]})x",
           R"x(loghttp.PushRequest.Streams: []loghttp.LogProtoStream: readStringSlowPath: unexpected end of input, error found in #10 byte of ...|75","x]}]}|..., bigger context ...|:{"a":"b"},"values":[["1795263484637808275","x]}]}|...)x"},
          {R"x({"streams":[{"stream":{"a":"b"},"values":[["1795263484637808275" "x"]]}]})x",
           R"x(loghttp.PushRequest.Streams: []loghttp.LogProtoStream: ReadArrayCB: expect ] in the end, but found ", error found in #10 byte of ...|7808275" "x"]]}]}|..., bigger context ...|ream":{"a":"b"},"values":[["1795263484637808275" "x"]]}]}|...)x"},
          {R"x({"streams":[{"stream":{"a":"b"},"values":[["1795263484637808275","x",]]}]})x", R"x(loghttp.PushRequest.Streams: []loghttp.LogProtoStream: Skip: do not know how to skip: 93, error found in #10 byte of ...|275","x",]]}]}|..., bigger context ...|":{"a":"b"},"values":[["1795263484637808275","x",]]}]}|...)x"},
          {R"x({"streams":[{"stream":{"a":"b"},"values":[["1795263484637808275",]]}]})x",
           R"x(loghttp.PushRequest.Streams: []loghttp.LogProtoStream: Skip: do not know how to skip: 93, error found in #10 byte of ...|7808275",]]}]}|..., bigger context ...|ream":{"a":"b"},"values":[["1795263484637808275",]]}]}|...)x"},
          {R"x({"streams":[{"stream":{"a":"b"},"values":[[,]]}]})x",
           R"x(loghttp.PushRequest.Streams: []loghttp.LogProtoStream: Skip: do not know how to skip: 44, error found in #10 byte of ...|alues":[[,]]}]}|..., bigger context ...|{"streams":[{"stream":{"a":"b"},"values":[[,]]}]}|...)x"},
          {R"x({"streams":[{"stream":{"a":"b"},"values":[["1795263484637808275","x\q"]]}]})x",
           R"x(loghttp.PushRequest.Streams: []loghttp.LogProtoStream: readEscapedChar: invalid escape char after \, error found in #10 byte of ...|8275","x\q"]]}]}|..., bigger context ...|m":{"a":"b"},"values":[["1795263484637808275","x\q"]]}]}|...)x"},
          {R"x({"streams":[{"stream":{"a":"b"},"values":[["1795263484637808275","x\u12"]]}]})x",
           R"x(loghttp.PushRequest.Streams: []loghttp.LogProtoStream: readU4: expects 0~9 or a~f, but found ", error found in #10 byte of ...|5","x\u12"]]}]}|..., bigger context ...|{"a":"b"},"values":[["1795263484637808275","x\u12"]]}]}|...)x"},
          {R"x({"streams":[{"stream":{"a":"b"},"values":[["1795263484637808275","x",{k:"v"}]]}]})x",
           R"x(loghttp.PushRequest.Streams: []loghttp.LogProtoStream: ReadObjectCB: expect " after {, but found k, error found in #10 byte of ...|75","x",{k:"v"}]]}]}|..., bigger context ...|:{"a":"b"},"values":[["1795263484637808275","x",{k:"v"}]]}]}|...)x"},
          {R"x({"streams":[{"stream":{"a":"b"},"values":[["1795263484637808275","x",{"k" "v"}]]}]})x",
           R"x(loghttp.PushRequest.Streams: []loghttp.LogProtoStream: ReadObject: expect : after object field, but found ", error found in #10 byte of ...|"x",{"k" "v"}]]}]}|..., bigger context ...|":"b"},"values":[["1795263484637808275","x",{"k" "v"}]]}]}|...)x"},
          {R"x({"streams":[{"stream":{"a":"b"},"values":[["1795263484637808275","x",{"k":"v",}]]}]})x",
           R"x(loghttp.PushRequest.Streams: []loghttp.LogProtoStream: ReadString: expects " or n, but found }, error found in #10 byte of ...|{"k":"v",}]]}]}|..., bigger context ...|"},"values":[["1795263484637808275","x",{"k":"v",}]]}]}|...)x"},
          {R"x({"streams":[{"stream":{"a":"b"},"values":[['1795263484637808275','x']]}]})x",
           R"x(loghttp.PushRequest.Streams: []loghttp.LogProtoStream: Skip: do not know how to skip: 39, error found in #10 byte of ...|alues":[['1795263484|..., bigger context ...|{"streams":[{"stream":{"a":"b"},"values":[['1795263484637808275','x']]}]}|...)x"},
          {R"x({)x",
           R"x(loghttp.PushRequest.readFieldHash: expect ", but found @, error found in #1 byte of ...|{|..., bigger context ...|{|...)x"},
          {R"x({"st)x",
           R"x(loghttp.PushRequest.readFieldHash: incomplete field name, error found in #2 byte of ...|{"st|..., bigger context ...|{"st|...)x"},
          {R"x({"strea)x",
           R"x(loghttp.PushRequest.readFieldHash: incomplete field name, error found in #2 byte of ...|{"strea|..., bigger context ...|{"strea|...)x"},
          {R"x({"streams")x",
           R"x(loghttp.PushRequest.readFieldHash: expect :, but found @, error found in #10 byte of ...|{"streams"|..., bigger context ...|{"streams"|...)x"},
          {R"x({"streams":[{)x",
           R"x(loghttp.PushRequest.Streams: []loghttp.LogProtoStream: ReadObjectCB: expect " after {, but found @, error found in #10 byte of ...|treams":[{|..., bigger context ...|{"streams":[{|...)x"},
          {R"x({"streams":[{"st)x",
           R"x(loghttp.PushRequest.Streams: []loghttp.LogProtoStream: readStringSlowPath: unexpected end of input, error found in #10 byte of ...|ams":[{"st|..., bigger context ...|{"streams":[{"st|...)x"},
          {R"x({"streams":[{"stream":)x",
           R"x(loghttp.PushRequest.Streams: []loghttp.LogProtoStream: Skip: do not know how to skip: 0, error found in #10 byte of ...|{"stream":|..., bigger context ...|{"streams":[{"stream":|...)x"},
          {R"x({"streams":[{"stream":{"a":"b"})x",
           R"x(loghttp.PushRequest.Streams: []loghttp.LogProtoStream: ReadObjectCB: object not ended with }, error found in #10 byte of ...|:{"a":"b"}|..., bigger context ...|{"streams":[{"stream":{"a":"b"}|...)x"},
          {R"x({"streams":[{"stream":{"a":"b"},"values")x",
           R"x(loghttp.PushRequest.Streams: []loghttp.LogProtoStream: ReadObject: expect : after object field, but found @, error found in #10 byte of ...|},"values"|..., bigger context ...|{"streams":[{"stream":{"a":"b"},"values"|...)x"},
          {R"x({"streams":[{"stream":{"a":"b"},"values":[["1795263484637808275")x",
           R"x(loghttp.PushRequest.Streams: []loghttp.LogProtoStream: ReadArrayCB: expect ] in the end, but found @, error found in #10 byte of ...|637808275"|..., bigger context ...|stream":{"a":"b"},"values":[["1795263484637808275"|...)x"},
          {R"x({streams:[{"stream":{"a":"b"},"values":[["1795263484637808275","x"]]}]})x",
           R"x(loghttp.PushRequest.readFieldHash: expect ", but found s, error found in #2 byte of ...|{streams:[{"|..., bigger context ...|{streams:[{"stream":{"a":"b"},"values":[["1795263484|...)x"},
          {R"x({"streams":[{"stream":{a:"b"},"values":[["1795263484637808275","x"]]}]})x",
           R"x(loghttp.PushRequest.Streams: []loghttp.LogProtoStream: ReadObjectCB: expect " after {, but found a, error found in #10 byte of ...|stream":{a:"b"},"val|..., bigger context ...|{"streams":[{"stream":{a:"b"},"values":[["1795263484637808275","x"]]}]}|...)x"},
          {R"x({"streams":[{"stream":{"a""b"},"values":[["1795263484637808275","x"]]}]})x",
           R"x(loghttp.PushRequest.Streams: []loghttp.LogProtoStream: ReadObject: expect : after object field, but found ", error found in #10 byte of ...|eam":{"a""b"},"value|..., bigger context ...|{"streams":[{"stream":{"a""b"},"values":[["1795263484637808275","x"]]}]}|...)x"},
          {R"x({"streams":[{"stream":{"a":"b",},"values":[["1795263484637808275","x"]]}]})x",
           R"x(loghttp.PushRequest.Streams: []loghttp.LogProtoStream: ReadString: expects " or n, but found }, error found in #10 byte of ...|{"a":"b",},"values":|..., bigger context ...|{"streams":[{"stream":{"a":"b",},"values":[["1795263484637808275","x"]]}]}|...)x"},
          {R"x({"streams":[{"stream":{,},"values":[["1795263484637808275","x"]]}]})x",
           R"x(loghttp.PushRequest.Streams: []loghttp.LogProtoStream: ReadObjectCB: expect " after {, but found ,, error found in #10 byte of ...|stream":{,},"values"|..., bigger context ...|{"streams":[{"stream":{,},"values":[["1795263484637808275","x"]]}]}|...)x"},
          {R"x({"streams":[{"stream":{"a":bad},"values":[["1795263484637808275","x"]]}]})x", R"x(loghttp.PushRequest.Streams: []loghttp.LogProtoStream: Skip: do not know how to skip: 98, error found in #10 byte of ...|am":{"a":bad},"value|..., bigger context ...|{"streams":[{"stream":{"a":bad},"values":[["1795263484637808275","x"]]}]}|...)x"},
          {R"x({"streams":[{"stream":{"a":},"values":[["1795263484637808275","x"]]}]})x",
           R"x(loghttp.PushRequest.Streams: []loghttp.LogProtoStream: Skip: do not know how to skip: 125, error found in #10 byte of ...|am":{"a":},"values":|..., bigger context ...|{"streams":[{"stream":{"a":},"values":[["1795263484637808275","x"]]}]}|...)x"},
          {R"x({"streams":[{"stream":{"a":"b"},"values":[["1795263484637808275","x"}]})x",
           R"x(loghttp.PushRequest.Streams: []loghttp.LogProtoStream: ReadArrayCB: expect ] in the end, but found }, error found in #10 byte of ...|8275","x"}]}|..., bigger context ...|m":{"a":"b"},"values":[["1795263484637808275","x"}]}|...)x"},
          {R"x({"streams":[{"stream":{"a":"b"},"values":[["1795263484637808275","x"]]}})x",
           R"x(loghttp.PushRequest.Streams: []loghttp.LogProtoStream: decode slice: expect ], but found }, error found in #10 byte of ...|5","x"]]}}|..., bigger context ...|{"a":"b"},"values":[["1795263484637808275","x"]]}}|...)x"},
          {R"x({"streams":[{"stream":{"a":"b"},"values":[["1795263484637808275","x"]]}])x",
           R"x(loghttp.PushRequest.isObjectEnd: object ended prematurely, unexpected char @, error found in #10 byte of ...|5","x"]]}]|..., bigger context ...|{"a":"b"},"values":[["1795263484637808275","x"]]}]|...)x"},
          {R"x({"streams":[,{"stream":{"a":"b"},"values":[["1795263484637808275","x"]]}]})x",
           R"x(loghttp.PushRequest.Streams: []loghttp.LogProtoStream: Skip: do not know how to skip: 44, error found in #10 byte of ...|treams":[,{"stream":|..., bigger context ...|{"streams":[,{"stream":{"a":"b"},"values":[["179526348463780827|...)x"},
          {R"x({"streams":[{"stream":{"a":"b\u00"},"values":[["1795263484637808275","x"]]}]})x",
           R"x(loghttp.PushRequest.Streams: []loghttp.LogProtoStream: readU4: expects 0~9 or a~f, but found ", error found in #10 byte of ...|a":"b\u00"},"values"|..., bigger context ...|{"streams":[{"stream":{"a":"b\u00"},"values":[["1795263484637808275","x"]]}]}|...)x"},
          {R"x({"streams":[{"stream":{"a":"\},"values":[["1795263484637808275","x"]]}]})x",
           R"x(loghttp.PushRequest.Streams: []loghttp.LogProtoStream: readEscapedChar: invalid escape char after \, error found in #10 byte of ...|":{"a":"\},"values":|..., bigger context ...|{"streams":[{"stream":{"a":"\},"values":[["1795263484637808275","x"]]}]}|...)x"},
      };
  for (const auto& row : kRows) {
    DecodedPush push;
    std::string want = row.want;
    std::replace(want.begin(), want.end(), '@', '\0');
    EXPECT_EQ(MessageOf(DecodePushJson(row.body, false, &push)), want) << row.body;
  }
}

TEST(PushJsonError, NothingIsWrong) {
  EXPECT_EQ(
      PushJsonError(R"({"streams":[{"stream":{"a":"\u00e9"},"values":[["1","x",{}]]}]} x)", std::nullopt),
      std::nullopt);
  EXPECT_EQ(PushJsonError("null", std::nullopt), std::nullopt);
  EXPECT_EQ(
      PushJsonError(R"({"x":[1,-2.5e3,true,false,null,{"y":"\ud83d\ude00"}],"STREAMS":[]})", std::nullopt),
      std::nullopt);
}

// A body is read in pieces, and only the one at hand is quoted.
TEST(PushJsonError, LongBodies) {
  const std::string line(2000, 'y');
  const auto text = PushJsonError(R"({"streams":[{"values":[["1",")" + line, std::nullopt);
  ASSERT_TRUE(text.has_value());
  EXPECT_EQ(*text,
            "loghttp.PushRequest.Streams: []loghttp.LogProtoStream: readStringSlowPath: unexpected end of "
            "input, error found in #10 byte of ...|yyyyyyyyyy|..., bigger context ...|" +
                std::string(50, 'y') + "|...");
  EXPECT_TRUE(PushJsonError(std::string(100'000, '['), std::nullopt).has_value());
  EXPECT_TRUE(PushJsonError(R"({"streams":)" + std::string(100'000, '['), std::nullopt).has_value());
}

}  // namespace
}  // namespace skald
