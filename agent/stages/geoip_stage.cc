// geoip: {db, source, db_type, as_labels} looks an address up in a MaxMind database. What is found goes into
// structured metadata under Promtail's names (geoip_city_name and so on); with as_labels: true into labels,
// of which places make far too many.
#include <maxminddb.h>

#include <cstring>

#include "agent/stages/stage.h"
#include "agent/stages/stage_config.h"
#include "base/error.h"
#include "base/status_macros.h"

namespace skald::agent {
namespace {

struct Field {
  const char* name;
  const char* path[5];
};
constexpr Field kCityFields[] = {
    {"geoip_city_name", {"city", "names", "en", nullptr}},
    {"geoip_country_name", {"country", "names", "en", nullptr}},
    {"geoip_continent_name", {"continent", "names", "en", nullptr}},
    {"geoip_continent_code", {"continent", "code", nullptr}},
    {"geoip_location_latitude", {"location", "latitude", nullptr}},
    {"geoip_location_longitude", {"location", "longitude", nullptr}},
    {"geoip_postal_code", {"postal", "code", nullptr}},
    {"geoip_timezone", {"location", "time_zone", nullptr}},
    {"geoip_subdivision_name", {"subdivisions", "0", "names", "en", nullptr}},
    {"geoip_subdivision_code", {"subdivisions", "0", "iso_code", nullptr}},
};
constexpr Field kAsnFields[] = {
    {"geoip_autonomous_system_number", {"autonomous_system_number", nullptr}},
    {"geoip_autonomous_system_organization", {"autonomous_system_organization", nullptr}},
};

class Database {
 public:
  static absl::StatusOr<std::unique_ptr<Database>> Open(const std::string& path) {
    auto database = std::make_unique<Database>();
    const int status = ::MMDB_open(path.c_str(), MMDB_MODE_MMAP, &database->db_);
    if (status != MMDB_SUCCESS) return InvalidArgument("db {}: {}", path, ::MMDB_strerror(status));
    database->open_ = true;
    return database;
  }
  ~Database() {
    if (open_) ::MMDB_close(&db_);
  }
  MMDB_s* get() { return &db_; }

 private:
  MMDB_s db_{};
  bool open_ = false;
};

std::string TextOf(const MMDB_entry_data_s& data) {
  switch (data.type) {
    case MMDB_DATA_TYPE_UTF8_STRING:
      return {data.utf8_string, data.data_size};
    case MMDB_DATA_TYPE_DOUBLE:
      return fmt::format("{}", data.double_value);
    case MMDB_DATA_TYPE_FLOAT:
      return fmt::format("{}", data.float_value);
    case MMDB_DATA_TYPE_UINT16:
      return std::to_string(data.uint16);
    case MMDB_DATA_TYPE_UINT32:
      return std::to_string(data.uint32);
    case MMDB_DATA_TYPE_UINT64:
      return std::to_string(data.uint64);
    default:
      return {};
  }
}

class GeoIpStage : public Stage {
 public:
  GeoIpStage(std::unique_ptr<Database> database, std::string source, std::vector<Field> fields,
             bool as_labels)
      : database_(std::move(database)),
        source_(std::move(source)),
        fields_(std::move(fields)),
        as_labels_(as_labels) {}

  bool Run(Entry* entry) override {
    const std::string* const address = entry->Source(source_);
    if (address == nullptr) return true;
    int resolve_error = 0;
    int lookup_error = 0;
    MMDB_lookup_result_s result =
        ::MMDB_lookup_string(database_->get(), address->c_str(), &resolve_error, &lookup_error);
    if (resolve_error != 0 || lookup_error != MMDB_SUCCESS || !result.found_entry) return true;
    for (const Field& field : fields_) {
      MMDB_entry_data_s data{};
      if (::MMDB_aget_value(&result.entry, &data, field.path) != MMDB_SUCCESS || !data.has_data) continue;
      std::string text = TextOf(data);
      if (text.empty()) continue;
      if (as_labels_) {
        entry->labels.Set(field.name, text);
      } else {
        entry->SetMetadata(field.name, std::move(text));
      }
    }
    return true;
  }

 private:
  const std::unique_ptr<Database> database_;
  const std::string source_;
  const std::vector<Field> fields_;
  const bool as_labels_;
};

}  // namespace

StageOr MakeGeoIpStage(const YAML::Node& config, const StageContext&) {
  RETURN_IF_ERROR(CheckStageKeys(config, {"db", "source", "db_type", "as_labels"}));
  const std::string path = StageText(config, "db");
  std::string source = StageText(config, "source");
  const std::string type = StageText(config, "db_type");
  if (path.empty()) return InvalidArgument("db is required");
  if (source.empty()) return InvalidArgument("source is required");
  if (type != "city" && type != "asn") return InvalidArgument("db_type is city or asn, not \"{}\"", type);
  std::vector<Field> fields;
  if (type == "city") {
    fields.assign(std::begin(kCityFields), std::end(kCityFields));
  } else {
    fields.assign(std::begin(kAsnFields), std::end(kAsnFields));
  }
  const bool as_labels = config["as_labels"].IsDefined() && config["as_labels"].as<bool>();
  ASSIGN_OR_RETURN(std::unique_ptr<Database> database, Database::Open(path));
  return std::make_unique<GeoIpStage>(std::move(database), std::move(source), std::move(fields), as_labels);
}

}  // namespace skald::agent
