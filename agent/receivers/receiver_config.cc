#include "agent/receivers/receiver_config.h"

#include <yaml-cpp/yaml.h>

#include "agent/receivers/kafka_source.h"
#include "agent/receivers/otlp_receiver.h"
#include "agent/receivers/push_receiver.h"
#include "agent/receivers/syslog_receiver.h"
#include "base/config.h"
#include "base/error.h"
#include "base/status_macros.h"

namespace skald::agent {
namespace {

class Reader {
 public:
  Reader(std::string_view key, std::string_view place, std::vector<std::string>* warnings)
      : key_(key), place_(place), warnings_(warnings) {}

  absl::Status Syslog(const YAML::Node& block, ReceiverJob job, ReceiverConfigs* out) {
    SyslogReceiverOptions& options = out->syslog.emplace_back();
    options.job = std::move(job);
    for (const auto& item : block) {
      const std::string key = item.first.Scalar();
      const YAML::Node& value = item.second;
      if (key == "listen_address") {
        options.listen = value.Scalar();
      } else if (key == "listen_protocol") {
        if (value.Scalar() != "tcp" && value.Scalar() != "udp")
          return Bad(value, "listen_protocol is \"{}\"; it may be tcp or udp", value.Scalar());
        options.udp = value.Scalar() == "udp";
      } else if (key == "idle_timeout") {
        RETURN_IF_ERROR(Duration(value, &options.idle_timeout_ns));
      } else if (key == "label_structured_data") {
        options.label_structured_data = value.as<bool>();
      } else if (key == "use_incoming_timestamp") {
        options.use_incoming_timestamp = value.as<bool>();
      } else if (key == "use_rfc5424_message") {
        options.use_whole_message = value.as<bool>();
      } else if (key == "max_message_length") {
        options.max_message_length = value.as<size_t>();
        if (options.max_message_length == 0) options.max_message_length = 8192;
      } else if (key == "syslog_format") {
        if (value.Scalar() != "rfc5424" && value.Scalar() != "rfc3164")
          return Bad(value, "syslog_format is \"{}\"; it may be rfc5424 or rfc3164", value.Scalar());
      } else if (key == "rfc3164_time_zone") {
        options.times.guess_zone = value.Scalar() == "guess";
        if (!options.times.guess_zone && value.Scalar() != "Local" &&
            !absl::LoadTimeZone(value.Scalar(), &options.times.zone)) {
          return Bad(value,
                     "rfc3164_time_zone is \"{}\"; it may be Local, guess, UTC or one like Europe/Berlin",
                     value.Scalar());
        }
      } else if (key == "rfc3164_max_ahead") {
        RETURN_IF_ERROR(Duration(value, &options.times.max_ahead_ns));
      } else if (key == "rfc3164_default_to_current_year") {
        options.times.current_year = value.as<bool>();
      } else if (key == "labels") {
        RETURN_IF_ERROR(ReadLabels(value, &options.job.labels));
      } else if (key == "tls_config") {
        RETURN_IF_ERROR(Tls(value, &options.tls));
      } else {
        Warn(item.first, key);
      }
    }
    if (options.listen.empty()) return Bad(block, "listen_address is missing");
    if (options.udp && options.tls) return Bad(block, "tls_config is for listen_protocol tcp");
    return absl::OkStatus();
  }

  absl::Status Push(const YAML::Node& block, ReceiverJob job, ReceiverConfigs* out) {
    PushReceiverOptions& options = out->push.emplace_back();
    options.job = std::move(job);
    std::string host = "0.0.0.0";
    std::string port = "3500";
    for (const auto& item : block) {
      const std::string key = item.first.Scalar();
      const YAML::Node& value = item.second;
      if (key == "labels") {
        RETURN_IF_ERROR(ReadLabels(value, &options.job.labels));
      } else if (key == "use_incoming_timestamp") {
        options.use_incoming_timestamp = value.as<bool>();
      } else if (key == "server") {
        for (const auto& part : value) {
          const std::string name = part.first.Scalar();
          if (name == "http_listen_address") {
            host = part.second.Scalar();
          } else if (name == "http_listen_port") {
            port = part.second.Scalar();
          } else if (name == "http_tls_config") {
            RETURN_IF_ERROR(Tls(part.second, &options.tls));
          } else {
            Warn(part.first, name);
          }
        }
      } else {
        Warn(item.first, key);
      }
    }
    options.listen = host + ":" + port;
    return absl::OkStatus();
  }

  absl::Status Otlp(const YAML::Node& block, ReceiverJob job, ReceiverConfigs* out) {
    OtlpReceiverOptions& options = out->otlp.emplace_back();
    options.job = std::move(job);
    for (const auto& item : block) {
      const std::string key = item.first.Scalar();
      const YAML::Node& value = item.second;
      if (key == "http") {
        RETURN_IF_ERROR(OtlpEndpoint(value, "0.0.0.0:4318", &options.http));
      } else if (key == "grpc") {
        RETURN_IF_ERROR(OtlpEndpoint(value, "0.0.0.0:4317", &options.grpc));
      } else if (key == "labels") {
        RETURN_IF_ERROR(ReadLabels(value, &options.job.labels));
      } else if (key == "use_incoming_timestamp") {
        options.use_incoming_timestamp = value.as<bool>();
      } else if (key == "otlp_config") {
        if (const absl::Status read = ReadOtlpConfig(value, &options.attributes); !read.ok())
          return Bad(value, "otlp_config: {}", MessageOf(read));
      } else {
        Warn(item.first, key);
      }
    }
    if (options.http || options.grpc) return absl::OkStatus();
    RETURN_IF_ERROR(OtlpEndpoint({}, "0.0.0.0:4318", &options.http));
    return OtlpEndpoint({}, "0.0.0.0:4317", &options.grpc);
  }

  absl::Status Kafka(const YAML::Node& block, ReceiverJob job, ReceiverConfigs* out) {
    KafkaSourceOptions& options = out->kafka.emplace_back();
    options.job = std::move(job);
    for (const auto& item : block) {
      const std::string key = item.first.Scalar();
      const YAML::Node& value = item.second;
      if (key == "brokers") {
        for (const YAML::Node& broker : value) options.brokers.push_back(broker.Scalar());
      } else if (key == "topics") {
        for (const YAML::Node& topic : value) options.topics.push_back(topic.Scalar());
      } else if (key == "group_id") {
        options.group_id = value.Scalar();
      } else if (key == "assignor") {
        options.assignor = value.Scalar();
        if (options.assignor != "range" && options.assignor != "roundrobin" && options.assignor != "sticky")
          return Bad(value, "assignor is \"{}\"; it may be range, roundrobin or sticky", options.assignor);
      } else if (key == "use_incoming_timestamp") {
        options.use_incoming_timestamp = value.as<bool>();
      } else if (key == "labels") {
        RETURN_IF_ERROR(ReadLabels(value, &options.job.labels));
      } else if (key == "authentication") {
        RETURN_IF_ERROR(KafkaAuthentication(value, &options));
      } else if (key != "version") {  // brokers say what they speak
        Warn(item.first, key);
      }
    }
    if (options.brokers.empty()) return Bad(block, "brokers is missing");
    if (options.topics.empty()) return Bad(block, "topics is missing");
    return absl::OkStatus();
  }

 private:
  absl::Status OtlpEndpoint(const YAML::Node& map, const char* usual,
                            std::optional<OtlpReceiverOptions::Endpoint>* out) {
    OtlpReceiverOptions::Endpoint endpoint;
    endpoint.listen = usual;
    for (const auto& item : map) {
      const std::string key = item.first.Scalar();
      if (key == "endpoint") {
        endpoint.listen = item.second.Scalar();
      } else if (key == "tls_config") {
        RETURN_IF_ERROR(Tls(item.second, &endpoint.tls));
      } else {
        Warn(item.first, key);
      }
    }
    *out = std::move(endpoint);
    return absl::OkStatus();
  }
  absl::Status KafkaAuthentication(const YAML::Node& map, KafkaSourceOptions* options) {
    std::string type = "none";
    bool tls = false;
    for (const auto& item : map) {
      const std::string key = item.first.Scalar();
      if (key == "type") {
        type = item.second.Scalar();
      } else if (key == "tls_config") {
        KafkaTls(item.second, options);
      } else if (key == "sasl_config") {
        for (const auto& part : item.second) {
          const std::string name = part.first.Scalar();
          if (name == "mechanism") {
            options->settings.emplace_back("sasl.mechanism", part.second.Scalar());
          } else if (name == "user") {
            options->settings.emplace_back("sasl.username", part.second.Scalar());
          } else if (name == "password") {
            options->settings.emplace_back("sasl.password", part.second.Scalar());
          } else if (name == "use_tls") {
            tls = part.second.as<bool>();
          } else if (name == "tls_config") {
            KafkaTls(part.second, options);
          } else {
            Warn(part.first, name);
          }
        }
      } else {
        Warn(item.first, key);
      }
    }
    if (type != "none" && type != "ssl" && type != "sasl")
      return Bad(map, "type is \"{}\"; it may be none, ssl or sasl", type);
    if (type == "ssl") options->settings.emplace_back("security.protocol", "ssl");
    if (type == "sasl")
      options->settings.emplace_back("security.protocol", tls ? "sasl_ssl" : "sasl_plaintext");
    return absl::OkStatus();
  }
  void KafkaTls(const YAML::Node& map, KafkaSourceOptions* options) {
    for (const auto& item : map) {
      const std::string key = item.first.Scalar();
      if (key == "ca_file") {
        options->settings.emplace_back("ssl.ca.location", item.second.Scalar());
      } else if (key == "cert_file") {
        options->settings.emplace_back("ssl.certificate.location", item.second.Scalar());
      } else if (key == "key_file") {
        options->settings.emplace_back("ssl.key.location", item.second.Scalar());
      } else if (key == "insecure_skip_verify") {
        if (item.second.as<bool>())
          options->settings.emplace_back("enable.ssl.certificate.verification", "false");
      } else {
        Warn(item.first, key);
      }
    }
  }

  template <typename... Args>
  absl::Status Bad(const YAML::Node& node, fmt::format_string<Args...> text, Args&&... args) const {
    return InvalidArgument("{}: {}: {}", At(node), key_, fmt::format(text, std::forward<Args>(args)...));
  }
  std::string At(const YAML::Node& node) const {
    return fmt::format("{}:{}:{}", place_, node.Mark().line + 1, node.Mark().column + 1);
  }
  void Warn(const YAML::Node& node, const std::string& key) {
    warnings_->push_back(fmt::format("{}: {} is not known in {} and is ignored", At(node), key, key_));
  }
  absl::Status Duration(const YAML::Node& value, int64_t* ns) const {
    const std::optional<int64_t> parsed = ParseConfigDuration(value.Scalar());
    if (!parsed) return Bad(value, "\"{}\" is not a duration like 120s", value.Scalar());
    *ns = *parsed;
    return absl::OkStatus();
  }
  absl::Status ReadLabels(const YAML::Node& map, Labels* labels) const {
    for (const auto& label : map) {
      const std::string name = label.first.Scalar();
      if (!IsLabelName(name)) return Bad(label.first, "\"{}\" is not a label name", name);
      labels->Set(name, label.second.Scalar());
    }
    return absl::OkStatus();
  }
  absl::Status Tls(const YAML::Node& map, std::optional<TlsServerOptions>* tls) {
    TlsServerOptions read;
    for (const auto& item : map) {
      const std::string key = item.first.Scalar();
      if (key == "cert_file") {
        read.cert_file = item.second.Scalar();
      } else if (key == "key_file") {
        read.key_file = item.second.Scalar();
      } else if (key == "ca_file" || key == "client_ca_file") {
        read.ca_file = item.second.Scalar();
      } else {
        Warn(item.first, key);
      }
    }
    if (read.cert_file.empty() && read.key_file.empty() && read.ca_file.empty()) return absl::OkStatus();
    if (read.cert_file.empty() || read.key_file.empty())
      return Bad(map, "tls_config needs cert_file and key_file");
    *tls = std::move(read);
    return absl::OkStatus();
  }

  const std::string_view key_;
  const std::string_view place_;
  std::vector<std::string>* const warnings_;
};

}  // namespace

bool IsReceiverBlock(std::string_view key) {
  return key == "syslog" || key == "loki_push_api" || key == "otlp" || key == "kafka";
}

absl::Status ReadReceiver(std::string_view key, const YAML::Node& block, std::string_view place,
                          const std::string& job_name, const std::optional<Relabelling>& relabelling,
                          ReceiverConfigs* out, std::string* source, std::vector<std::string>* warnings) {
  ReceiverJob job;
  // Two jobs of one name and kind are told apart by their order.
  job.source = fmt::format("{}/{}", key, job_name);
  if (const size_t earlier = out->CountOf(job.source); earlier > 0)
    job.source += fmt::format("#{}", earlier + 1);
  *source = job.source;
  job.name = job_name;
  job.relabelling = relabelling;
  Reader reader(key, place, warnings);
  if (key == "syslog") return reader.Syslog(block, std::move(job), out);
  if (key == "otlp") return reader.Otlp(block, std::move(job), out);
  if (key == "kafka") return reader.Kafka(block, std::move(job), out);
  return reader.Push(block, std::move(job), out);
}

}  // namespace skald::agent
