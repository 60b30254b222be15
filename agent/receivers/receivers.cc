#include "agent/receivers/receivers.h"

#include <algorithm>
#include <thread>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

#include "agent/receivers/kafka_source.h"
#include "agent/receivers/otlp_receiver.h"
#include "agent/receivers/push_receiver.h"
#include "agent/receivers/syslog_receiver.h"
#include "base/log.h"
#include "base/status_macros.h"

namespace skald::agent {

ReceiverConfigs::ReceiverConfigs() = default;
ReceiverConfigs::~ReceiverConfigs() = default;
ReceiverConfigs::ReceiverConfigs(ReceiverConfigs&&) noexcept = default;
ReceiverConfigs& ReceiverConfigs::operator=(ReceiverConfigs&&) noexcept = default;

bool ReceiverConfigs::empty() const {
  return syslog.empty() && push.empty() && otlp.empty() && kafka.empty();
}

size_t ReceiverConfigs::CountOf(std::string_view source) const {
  const auto counts = [source](const auto& one) {
    return one.job.source == source || one.job.source.starts_with(std::string(source) + "#");
  };
  return static_cast<size_t>(
      std::count_if(syslog.begin(), syslog.end(), counts) + std::count_if(push.begin(), push.end(), counts) +
      std::count_if(otlp.begin(), otlp.end(), counts) + std::count_if(kafka.begin(), kafka.end(), counts));
}

struct Receivers::Sockets {
  // Goes last: the receivers' sockets, and connections that wait in it, belong to it.
  boost::asio::io_context context{1};
  std::vector<std::unique_ptr<SyslogReceiver>> syslog;
  std::vector<std::unique_ptr<PushReceiver>> push;
  std::vector<std::unique_ptr<OtlpReceiver>> otlp;
  std::vector<std::unique_ptr<KafkaSource>> kafka;
  std::thread thread;
};

Receivers::Receivers() : sockets_(std::make_unique<Sockets>()) {}

absl::StatusOr<std::unique_ptr<Receivers>> Receivers::Start(ReceiverConfigs configs, Spool* spool,
                                                            const Clock& clock) {
  std::unique_ptr<Receivers> receivers(new Receivers());
  Sockets& sockets = *receivers->sockets_;
  for (SyslogReceiverOptions& options : configs.syslog) {
    const bool udp = options.udp;
    ASSIGN_OR_RETURN(
        std::unique_ptr<SyslogReceiver> receiver,
        SyslogReceiver::Listen(std::move(options), &sockets.context, spool, &receivers->counters_, clock));
    LogInfo("syslog is received", "protocol={} port={}", udp ? "udp" : "tcp", receiver->port());
    sockets.syslog.push_back(std::move(receiver));
  }
  for (PushReceiverOptions& options : configs.push) {
    ASSIGN_OR_RETURN(
        std::unique_ptr<PushReceiver> receiver,
        PushReceiver::Listen(std::move(options), &sockets.context, spool, &receivers->counters_, clock));
    LogInfo("pushes are received", "port={}", receiver->port());
    sockets.push.push_back(std::move(receiver));
  }
  for (OtlpReceiverOptions& options : configs.otlp) {
    ASSIGN_OR_RETURN(
        std::unique_ptr<OtlpReceiver> receiver,
        OtlpReceiver::Listen(std::move(options), &sockets.context, spool, &receivers->counters_, clock));
    LogInfo("OpenTelemetry's logs are received", "http_port={} grpc_port={}", receiver->http_port(),
            receiver->grpc_port());
    sockets.otlp.push_back(std::move(receiver));
  }
  for (KafkaSourceOptions& options : configs.kafka) {
    ASSIGN_OR_RETURN(std::unique_ptr<KafkaSource> source,
                     KafkaSource::Start(std::move(options), spool, &receivers->counters_, clock));
    sockets.kafka.push_back(std::move(source));
  }
  sockets.thread = std::thread([context = &sockets.context] {
    const auto work = boost::asio::make_work_guard(*context);
    context->run();
  });
  return receivers;
}

Receivers::~Receivers() {
  sockets_->context.stop();
  if (sockets_->thread.joinable()) sockets_->thread.join();
}

}  // namespace skald::agent
