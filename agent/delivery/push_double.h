// A server for tests: speaks the push protocol, keeps what it acknowledged by (agent, sequence), and fails
// when told to.
#pragma once

#include <grpcpp/grpcpp.h>

#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "base/coding.h"
#include "proto/push.grpc.pb.h"
#include "proto/rows_codec.h"

namespace skald::agent {

class PushDouble final : public skald::push::v1::Push::Service {
 public:
  struct Faults {
    double retry = 0;         // chance of "retry" for a batch
    double reset_before = 0;  // stream broken, batch not kept
    double reset_after = 0;   // batch kept, stream broken without the answer
    double hang = 0;          // no more answers on this stream
    int delay_ms = 0;         // before each answer
  };

  explicit PushDouble(int port = 0) { Listen(port); }
  ~PushDouble() override { Shutdown(); }

  void Listen(int port) {
    stopping_ = false;
    grpc::ServerBuilder builder;
    int bound = 0;
    builder.AddListeningPort("127.0.0.1:" + std::to_string(port), grpc::InsecureServerCredentials(), &bound);
    builder.SetMaxReceiveMessageSize(64 << 20);
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
    port_ = bound;
  }
  void Shutdown() {
    stopping_ = true;
    if (server_) server_->Shutdown(std::chrono::system_clock::now());
    server_.reset();
  }
  int port() const { return port_; }
  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
  void SetFaults(Faults faults) {
    const std::lock_guard<std::mutex> lock(mu_);
    faults_ = faults;
  }
  void Forget() {
    const std::lock_guard<std::mutex> lock(mu_);
    kept_.clear();
    last_.clear();
    row_count_ = 0;
  }
  void SetLastSequence(uint64_t sequence) {
    const std::lock_guard<std::mutex> lock(mu_);
    claim_ = sequence;
  }

  struct Row {
    std::string labels;
    int64_t time_ns;
    std::string text;
    std::map<std::string, std::string> metadata;
  };
  // All kept rows, by agent and sequence.
  std::vector<Row> Rows() const {
    const std::lock_guard<std::mutex> lock(mu_);
    std::vector<Row> rows;
    for (const auto& [key, batch] : kept_) {
      for (const auto& stream : batch.streams()) {
        skald::Rows decoded;
        const absl::Status status = DecodeRows(stream.rows(), RowsLimits(), &decoded);
        if (!status.ok()) ++undecodable_;
        for (size_t i = 0; i < decoded.size(); ++i) {
          Row row{stream.labels(), decoded.time_ns[i], std::string(decoded.line(i)), {}};
          for (const MetadataColumn& column : decoded.metadata) {
            if (column.index[i] > 0) row.metadata[column.name] = column.value(column.index[i] - 1);
          }
          rows.push_back(std::move(row));
        }
      }
    }
    return rows;
  }
  // What agents declared, in the order it came, with the agent's id.
  std::vector<std::pair<std::string, skald::push::v1::Declarations>> declarations() const {
    const std::lock_guard<std::mutex> lock(mu_);
    return declarations_;
  }
  // As the encoded rows say, without decoding them.
  uint64_t row_count() const { return row_count_; }
  size_t batches() const {
    const std::lock_guard<std::mutex> lock(mu_);
    return kept_.size();
  }
  uint64_t received() const { return received_; }
  uint64_t repeated() const { return repeated_; }
  int undecodable() const { return undecodable_; }
  std::atomic<bool> refuse_all{false};
  std::atomic<bool> count_only{false};  // for benchmarks: keeps nothing

  grpc::Status Stream(grpc::ServerContext* context,
                      grpc::ServerReaderWriter<skald::push::v1::PushResponse, skald::push::v1::PushRequest>*
                          stream) override {
    skald::push::v1::PushRequest request;
    if (!stream->Read(&request) || !request.has_hello() || request.hello().agent_id().empty()) {
      return {grpc::StatusCode::INVALID_ARGUMENT, "hello first"};
    }
    const std::string agent = request.hello().agent_id();
    skald::push::v1::PushResponse response;
    {
      const std::lock_guard<std::mutex> lock(mu_);
      response.mutable_welcome()->set_last_sequence(std::max(last_[agent], std::exchange(claim_, 0)));
      response.mutable_welcome()->set_max_batch_bytes(32 << 20);
    }
    if (!stream->Write(response)) return grpc::Status::OK;
    uint64_t refused_from = 0;
    while (stream->Read(&request)) {
      if (request.has_declarations()) {
        const std::lock_guard<std::mutex> lock(mu_);
        declarations_.emplace_back(agent, request.declarations());
        continue;
      }
      ++received_;
      const uint64_t sequence = request.batch().sequence();
      response.Clear();
      Faults faults;
      double dice = 0;
      {
        const std::lock_guard<std::mutex> lock(mu_);
        faults = faults_;
        dice = std::uniform_real_distribution<double>(0, 1)(random_);
      }
      if (faults.delay_ms > 0) std::this_thread::sleep_for(std::chrono::milliseconds(faults.delay_ms));
      const auto hit = [&](double chance) {
        dice -= chance;
        return dice < 0;
      };
      if (hit(faults.retry) || (refused_from != 0 && sequence != refused_from)) {
        if (refused_from == 0) refused_from = sequence;
        response.mutable_retry()->set_sequence(sequence);
        response.mutable_retry()->set_delay_ms(20);
        response.mutable_retry()->set_reason("busy");
        if (!stream->Write(response)) break;
        continue;
      }
      refused_from = 0;
      if (hit(faults.reset_before)) return {grpc::StatusCode::UNAVAILABLE, "reset"};
      Keep(agent, request.batch());
      if (hit(faults.reset_after)) return {grpc::StatusCode::UNAVAILABLE, "reset after"};
      if (hit(faults.hang)) {
        while (!context->IsCancelled() && !stopping_)
          std::this_thread::sleep_for(std::chrono::milliseconds(5));
        return grpc::Status::CANCELLED;
      }
      response.mutable_ack()->set_sequence(sequence);
      if (refuse_all) {
        auto* refusal = response.mutable_ack()->add_refusals();
        refusal->set_reason("line_too_long");
        refusal->set_lines(1);
        refusal->set_bytes(1);
      }
      if (!stream->Write(response)) break;
    }
    return grpc::Status::OK;
  }

 private:
  void Keep(const std::string& agent, const skald::push::v1::Batch& batch) {
    const std::lock_guard<std::mutex> lock(mu_);
    uint64_t& last = last_[agent];
    if (batch.sequence() <= last) {
      ++repeated_;
      return;
    }
    last = batch.sequence();
    if (count_only) return;
    kept_[{agent, batch.sequence()}] = batch;
    for (const auto& stream : batch.streams()) {
      ByteReader in(std::string_view(stream.rows()).substr(1));
      row_count_ += in.Varint();
    }
  }

  mutable std::mutex mu_;
  std::map<std::string, uint64_t> last_;
  std::map<std::pair<std::string, uint64_t>, skald::push::v1::Batch> kept_;
  std::vector<std::pair<std::string, skald::push::v1::Declarations>> declarations_;
  Faults faults_;
  uint64_t claim_ = 0;
  std::mt19937 random_{5};
  std::atomic<uint64_t> received_{0};
  std::atomic<uint64_t> repeated_{0};
  std::atomic<uint64_t> row_count_{0};
  mutable std::atomic<int> undecodable_{0};
  std::atomic<bool> stopping_{false};
  std::unique_ptr<grpc::Server> server_;
  int port_ = 0;
};

}  // namespace skald::agent
