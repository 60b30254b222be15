// The test writes its database: one network, 10.1.2.0/24, in MaxMind's file format.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <filesystem>

#include "agent/stages/testing.h"
#include "agent/testing/test_directory.h"
#include "base/file.h"

namespace skald::agent {
namespace {

using testing::ElementsAre;

// A value in the format's encoding: a byte of type and size, then the value, big-endian.
std::string Control(int type, size_t size) {
  const size_t small = std::min<size_t>(size, 29);
  std::string out(1, static_cast<char>((type <= 7 ? type << 5 : 0) | static_cast<int>(small)));
  if (type > 7) out += static_cast<char>(type - 7);
  if (small == 29) out += static_cast<char>(size - 29);
  return out;
}
std::string Text(const std::string& text) { return Control(2, text.size()) + text; }
std::string BigEndian(uint64_t value, size_t size) {
  std::string out;
  for (size_t i = size; i > 0; --i) out += static_cast<char>(value >> (8 * (i - 1)) & 0xff);
  return out;
}
std::string Number(int type, uint64_t value, size_t size) {
  return Control(type, size) + BigEndian(value, size);
}
std::string Double(double value) { return Number(3, std::bit_cast<uint64_t>(value), 8); }
std::string Map(const std::vector<std::pair<std::string, std::string>>& members) {
  std::string out = Control(7, members.size());
  for (const auto& [name, value] : members) out += Text(name) + value;
  return out;
}
std::string Array(const std::vector<std::string>& elements) {
  std::string out = Control(11, elements.size());
  for (const std::string& element : elements) out += element;
  return out;
}

std::string DatabaseBytes(const std::string& data) {
  constexpr uint32_t kNodes = 24;
  const uint32_t network = 10u << 24 | 1u << 16 | 2u << 8;
  std::string out;
  for (uint32_t i = 0; i < kNodes; ++i) {
    const bool bit = (network >> (31 - i) & 1) != 0;
    const uint32_t next = i + 1 < kNodes ? i + 1 : kNodes + 16;
    out += BigEndian(bit ? kNodes : next, 3) + BigEndian(bit ? next : kNodes, 3);
  }
  out += std::string(16, '\0') + data;
  out += "\xab\xcd\xefMaxMind.com";
  return out + Map({{"binary_format_major_version", Number(5, 2, 2)},
                    {"binary_format_minor_version", Number(5, 0, 2)},
                    {"build_epoch", Number(9, 1'700'000'000, 8)},
                    {"database_type", Text("Test")},
                    {"description", Map({{"en", Text("one network")}})},
                    {"ip_version", Number(5, 4, 2)},
                    {"languages", Array({Text("en")})},
                    {"node_count", Number(6, kNodes, 4)},
                    {"record_size", Number(5, 24, 2)}});
}

class GeoIpStageTest : public testing::Test {
 protected:
  void SetUp() override {
    path_ = TestDirectory("geoip") + ".mmdb";
    const auto name = [](const char* text) { return Map({{"en", Text(text)}}); };
    const std::string data =
        Map({{"city", Map({{"names", name("Berlin")}})},
             {"country", Map({{"names", name("Germany")}})},
             {"continent", Map({{"code", Text("EU")}, {"names", name("Europe")}})},
             {"location", Map({{"latitude", Double(52.5)},
                               {"longitude", Double(13.25)},
                               {"time_zone", Text("Europe/Berlin")}})},
             {"postal", Map({{"code", Text("10115")}})},
             {"subdivisions", Array({Map({{"iso_code", Text("BE")}, {"names", name("Land Berlin")}})})},
             {"autonomous_system_number", Number(6, 64500, 4)},
             {"autonomous_system_organization", Text("Example Net")}});
    ASSERT_TRUE(WriteFileAtomically(path_, DatabaseBytes(data)).ok());
  }
  void TearDown() override { std::filesystem::remove(path_); }

  std::string Run(const std::string& more, const std::string& line) {
    const auto pipeline =
        MakePipeline(R"([{regex: {expression: '(?P<ip>\S+)'}}, {geoip: {source: ip, db: ')" + path_ + "', " +
                     more + "}}]");
    EXPECT_TRUE(pipeline.ok()) << pipeline.status();
    return pipeline.ok() ? RunLines(**pipeline, {line})[0] : "";
  }
  std::string path_;
};

TEST_F(GeoIpStageTest, City) {
  EXPECT_EQ(Run("db_type: city", "10.1.2.77 x"),
            R"({stream="stdout"}|10.1.2.77 x|geoip_city_name=Berlin|geoip_country_name=Germany|)"
            "geoip_continent_name=Europe|geoip_continent_code=EU|geoip_location_latitude=52.5|"
            "geoip_location_longitude=13.25|geoip_postal_code=10115|geoip_timezone=Europe/Berlin|"
            "geoip_subdivision_name=Land Berlin|geoip_subdivision_code=BE");
  EXPECT_EQ(Run("db_type: city", "10.1.3.77 x"), R"({stream="stdout"}|10.1.3.77 x)");
  EXPECT_EQ(Run("db_type: city", "nowhere"), R"({stream="stdout"}|nowhere)");
}

TEST_F(GeoIpStageTest, AsnAndLabels) {
  EXPECT_EQ(Run("db_type: asn", "10.1.2.1"),
            R"({stream="stdout"}|10.1.2.1|geoip_autonomous_system_number=64500|)"
            "geoip_autonomous_system_organization=Example Net");
  EXPECT_EQ(
      Run("db_type: asn, as_labels: true", "10.1.2.1"),
      R"({geoip_autonomous_system_number="64500", geoip_autonomous_system_organization="Example Net", stream="stdout"}|10.1.2.1)");
}

TEST_F(GeoIpStageTest, RefusedWhenItIsRead) {
  EXPECT_FALSE(MakePipeline("[{geoip: {source: a, db_type: city}}]").ok());
  EXPECT_FALSE(MakePipeline("[{geoip: {source: a, db_type: city, db: /does/not/exist}}]").ok());
  EXPECT_FALSE(MakePipeline("[{geoip: {source: a, db: '" + path_ + "', db_type: country}}]").ok());
  EXPECT_FALSE(MakePipeline("[{geoip: {db: '" + path_ + "', db_type: asn}}]").ok());
}

}  // namespace
}  // namespace skald::agent
