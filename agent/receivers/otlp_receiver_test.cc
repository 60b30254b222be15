#include "agent/receivers/otlp_receiver.h"

#include <fmt/format.h>
#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/file.h"
#include "base/testing/temp_dir.h"
#include "proto/otlp_logs.grpc.pb.h"

namespace skald::agent {
namespace {

namespace logs = opentelemetry::proto::collector::logs::v1;

// A receiver with a door for gRPC alone. The spool goes before the receiver, as in the program.
class OtlpReceiverTest : public testing::Test {
 protected:
  void Open(
      uint64_t spool_bytes, std::optional<TlsServerOptions> tls = std::nullopt,
      const std::shared_ptr<grpc::ChannelCredentials>& credentials = grpc::InsecureChannelCredentials()) {
    SpoolOptions options;
    options.directory = directory_.path();
    options.max_bytes = spool_bytes;
    spool_ = Spool::Open(options);
    reader_ = spool_->AddReader(0, 0, [] {});
    OtlpReceiverOptions receiver;
    receiver.job.source = "otlp/test";
    receiver.job.labels = Labels{{"via", "agent"}};
    receiver.grpc = OtlpReceiverOptions::Endpoint{"127.0.0.1:0", std::move(tls)};
    absl::StatusOr<std::unique_ptr<OtlpReceiver>> opened =
        OtlpReceiver::Listen(std::move(receiver), &context_, spool_.get(), &counters_, Clock::System());
    ASSERT_TRUE(opened.ok()) << opened.status();
    receiver_ = *std::move(opened);
    EXPECT_EQ(receiver_->http_port(), 0);
    stub_ = StubWith(credentials);
  }
  std::unique_ptr<logs::LogsService::Stub> StubWith(
      const std::shared_ptr<grpc::ChannelCredentials>& credentials) const {
    return logs::LogsService::NewStub(
        grpc::CreateChannel("127.0.0.1:" + std::to_string(receiver_->grpc_port()), credentials));
  }
  std::string InFolder(const std::string& name) const { return directory_.path() + "/" + name; }
  // A certificate authority for "", else a certificate of it.
  void MakeCertificate(const std::string& name, const std::string& ca) const {
    std::string command = fmt::format(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN={0} -keyout "
        "{1}.key "
        "-out {1}.pem",
        name, InFolder(name));
    if (!ca.empty()) {
      command += fmt::format(
          " -CA {0}.pem -CAkey {0}.key -addext subjectAltName=IP:127.0.0.1 -addext basicConstraints=CA:FALSE",
          InFolder(ca));
    }
    ASSERT_EQ(std::system((command + " 2>/dev/null").c_str()), 0) << command;
  }
  grpc::SslCredentialsOptions Trusting(const std::string& ca, const std::string& own = "") const {
    grpc::SslCredentialsOptions options;
    options.pem_root_certs = ReadWholeFile(InFolder(ca + ".pem")).value_or("");
    if (own.empty()) return options;
    options.pem_cert_chain = ReadWholeFile(InFolder(own + ".pem")).value_or("");
    options.pem_private_key = ReadWholeFile(InFolder(own + ".key")).value_or("");
    return options;
  }
  void TearDown() override {
    if (spool_ != nullptr) spool_->Close();
    receiver_.reset();
  }

  static logs::ExportLogsServiceRequest Request(const std::string& line) {
    logs::ExportLogsServiceRequest request;
    auto* const resource = request.add_resource_logs();
    auto* const service = resource->mutable_resource()->add_attributes();
    service->set_key("service.name");
    service->mutable_value()->set_string_value("shop");
    auto* const record = resource->add_scope_logs()->add_log_records();
    record->set_time_unix_nano(5);
    record->set_severity_text("WARN");
    record->mutable_body()->set_string_value(line);
    return request;
  }
  grpc::Status Export(const logs::ExportLogsServiceRequest& request, bool compressed = false) {
    grpc::ClientContext context;
    if (compressed) context.set_compression_algorithm(GRPC_COMPRESS_GZIP);
    logs::ExportLogsServiceResponse response;
    return stub_->Export(&context, request, &response);
  }

  TempDir directory_;
  boost::asio::io_context context_;
  ReceiverCounters counters_;
  std::unique_ptr<Spool> spool_;
  std::unique_ptr<SpoolReader> reader_;
  std::unique_ptr<OtlpReceiver> receiver_;
  std::unique_ptr<logs::LogsService::Stub> stub_;
};

TEST_F(OtlpReceiverTest, AnswersWhenItIsInTheSpool) {
  Open(uint64_t{1} << 30);
  for (const bool compressed : {false, true}) {
    const grpc::Status sent = Export(Request("hello"), compressed);
    ASSERT_TRUE(sent.ok()) << sent.error_message();
    SpoolRecord record;
    ASSERT_TRUE(reader_->Next(&record));
    EXPECT_EQ(record.source, "otlp/test");
    ASSERT_EQ(record.streams.size(), 1U);
    EXPECT_EQ(record.streams[0].labels, (Labels{{"service_name", "shop"}, {"via", "agent"}}));
    const SpoolEntry& entry = record.streams[0].entries.at(0);
    EXPECT_EQ(entry.time_ns, 5);
    EXPECT_EQ(entry.line, "hello");
    EXPECT_EQ(entry.metadata, (std::vector<std::pair<std::string, std::string>>{{"severity_text", "WARN"}}));
  }
  EXPECT_EQ(counters_.received().at("otlp/test").lines, 2U);
}

TEST_F(OtlpReceiverTest, OverTlsWithCertificatesOfBothSides) {
  MakeCertificate("ca", "");
  MakeCertificate("server", "ca");
  MakeCertificate("client", "ca");
  MakeCertificate("stranger", "");
  TlsServerOptions tls;
  tls.cert_file = InFolder("server.pem");
  tls.key_file = InFolder("server.key");
  tls.ca_file = InFolder("ca.pem");
  Open(uint64_t{1} << 30, tls, grpc::SslCredentials(Trusting("ca", "client")));
  const grpc::Status sent = Export(Request("hello"));
  ASSERT_TRUE(sent.ok()) << sent.error_message();
  const std::shared_ptr<grpc::ChannelCredentials> others[] = {
      grpc::InsecureChannelCredentials(), grpc::SslCredentials(Trusting("ca")),
      grpc::SslCredentials(Trusting("ca", "stranger")), grpc::SslCredentials(Trusting("stranger", "client"))};
  for (const auto& credentials : others) {
    stub_ = StubWith(credentials);
    EXPECT_EQ(Export(Request("from a stranger")).error_code(), grpc::StatusCode::UNAVAILABLE);
  }
  EXPECT_EQ(counters_.received().at("otlp/test").lines, 1U);
}

TEST_F(OtlpReceiverTest, WhatIsBrokenIsFinal) {
  Open(uint64_t{1} << 30);
  logs::ExportLogsServiceRequest request = Request("hello");
  request.mutable_resource_logs(0)->mutable_scope_logs(0)->mutable_log_records(0)->set_trace_id("short");
  EXPECT_EQ(Export(request).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(counters_.malformed().at("otlp").lines, 1U);
}

TEST_F(OtlpReceiverTest, AFullSpoolAsksForAnotherAttempt) {
  Open(1000);
  const grpc::Status sent = Export(Request(std::string(5000, 'x')));
  EXPECT_EQ(sent.error_code(), grpc::StatusCode::UNAVAILABLE) << sent.error_message();
  EXPECT_NE(sent.error_details().find("google.rpc.RetryInfo"), std::string::npos);
  EXPECT_TRUE(counters_.received().empty());
}

TEST_F(OtlpReceiverTest, AnAddressInUseIsAnError) {
  Open(uint64_t{1} << 30);
  OtlpReceiverOptions more;
  more.grpc =
      OtlpReceiverOptions::Endpoint{"127.0.0.1:" + std::to_string(receiver_->grpc_port()), std::nullopt};
  const auto opened =
      OtlpReceiver::Listen(std::move(more), &context_, spool_.get(), &counters_, Clock::System());
  EXPECT_TRUE(absl::IsUnavailable(opened.status())) << opened.status();
}

}  // namespace
}  // namespace skald::agent
