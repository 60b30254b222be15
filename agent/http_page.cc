#include "agent/http_page.h"

#include <sys/socket.h>

#include <algorithm>

#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>

#include "agent/targets_page.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json_writer.h"
#include "base/log.h"

namespace skald::agent {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::ip::tcp;

// A client that does not speak may not hold up the others.
constexpr int kSocketTimeoutSeconds = 5;

void SetTimeouts(int fd) {
  timeval timeout{kSocketTimeoutSeconds, 0};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
  ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
}

}  // namespace

struct HttpPage::Listener {
  asio::io_context context;
  tcp::acceptor acceptor{context};
};

HttpPage::HttpPage(std::vector<Agent*> agents, std::shared_ptr<StageMetrics> stages)
    : agents_(std::move(agents)), stages_(std::move(stages)), listener_(std::make_unique<Listener>()) {}

absl::StatusOr<std::unique_ptr<HttpPage>> HttpPage::Start(const std::string& listen,
                                                          std::vector<Agent*> agents,
                                                          std::shared_ptr<StageMetrics> stages) {
  const size_t colon = listen.rfind(':');
  if (colon == std::string::npos)
    return InvalidArgument("http listen address \"{}\" is not host:port", listen);
  std::string host = listen.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  if (host.empty()) host = "0.0.0.0";
  if (host == "localhost") host = "127.0.0.1";
  std::unique_ptr<HttpPage> page(new HttpPage(std::move(agents), std::move(stages)));
  boost::system::error_code error;
  const auto address = asio::ip::make_address(host, error);
  const int port = std::atoi(listen.c_str() + colon + 1);
  if (error || port < 0 || port > 65535)
    return InvalidArgument("http listen address \"{}\" is not ip:port", listen);
  const tcp::endpoint endpoint(address, static_cast<uint16_t>(port));
  tcp::acceptor& acceptor = page->listener_->acceptor;
  acceptor.open(endpoint.protocol(), error);
  if (!error) acceptor.set_option(asio::socket_base::reuse_address(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(16, error);
  if (error) return Unavailable("listen on {}: {}", listen, error.message());
  page->port_ = acceptor.local_endpoint(error).port();
  page->RegisterMetrics();
  page->thread_ = std::thread([raw = page.get()] { raw->Serve(); });
  return page;
}

HttpPage::~HttpPage() {
  stopping_ = true;
  if (thread_.joinable()) {
    // Ends the accept that is waiting.
    ::shutdown(listener_->acceptor.native_handle(), SHUT_RDWR);
    thread_.join();
  }
  metrics_.RemoveCallbacks(this);
}

void HttpPage::Serve() {
  while (!stopping_) {
    boost::system::error_code error;
    tcp::socket socket(listener_->context);
    listener_->acceptor.accept(socket, error);
    if (error) {
      if (stopping_) return;
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
      continue;
    }
    SetTimeouts(socket.native_handle());
    boost::beast::flat_buffer buffer;
    http::request<http::string_body> request;
    http::read(socket, buffer, request, error);
    if (error) continue;
    http::response<http::string_body> response;
    response.version(request.version());
    response.keep_alive(false);
    std::string target(request.target().data(), request.target().size());
    const size_t mark = std::min(target.find('?'), target.size());
    const std::string query = target.substr(std::min(mark + 1, target.size()));
    target = target.substr(0, mark);
    std::string type = "text/plain; charset=utf-8";
    if (request.method() == http::verb::post && (target == "/-/reload" || target == "/reload")) {
      response.result(Reload(&response.body()));
    } else if (request.method() == http::verb::get && target == "/tap") {
      const tcp::endpoint peer = socket.remote_endpoint(error);
      const unsigned status = ServeTap(
          query, !error && peer.address().is_loopback(),
          [&socket] {
            boost::system::error_code ignored;
            socket.non_blocking(false, ignored);
            return FileDescriptor(socket.release(ignored));
          },
          &response.body());
      if (status == 0) continue;
      response.result(status);
    } else {
      // A browser asks for a page; whatever else asks gets JSON, as before.
      const auto accept = request[http::field::accept];
      const bool html =
          std::string_view(accept.data(), accept.size()).find("text/html") != std::string_view::npos;
      const std::lock_guard<std::mutex> lock(mu_);
      response.result(Answer(target, html, &response.body(), &type));
    }
    response.set(http::field::content_type, type);
    response.prepare_payload();
    http::write(socket, response, error);
    socket.shutdown(tcp::socket::shutdown_both, error);
  }
}

void HttpPage::SetAgents(std::vector<Agent*> agents) {
  const std::lock_guard<std::mutex> lock(mu_);
  agents_ = std::move(agents);
  stats_.clear();
}

void HttpPage::SetReload(std::function<absl::Status()> reload) {
  const std::lock_guard<std::mutex> lock(reload_mu_);
  reload_ = std::move(reload);
}

void HttpPage::SetTap(std::shared_ptr<Tap> tap, bool to_others) {
  const std::lock_guard<std::mutex> lock(reload_mu_);
  tap_ = std::make_unique<TapPage>(std::move(tap));
  tap_to_others_ = to_others;
}

unsigned HttpPage::ServeTap(const std::string& query, bool from_here,
                            const std::function<FileDescriptor()>& take, std::string* body) {
  const std::lock_guard<std::mutex> lock(reload_mu_);
  if (tap_ == nullptr) {
    *body = "there is no tap\n";
    return 404;
  }
  if (!from_here && !tap_to_others_) {
    *body = "lines are shown to this host alone; --tap=all shows them to everybody\n";
    return 403;
  }
  tap_->Serve(take(), query);
  return 0;
}

void HttpPage::CountReload(bool ok) { ++(ok ? reloads_ : failed_reloads_); }

unsigned HttpPage::Reload(std::string* body) {
  std::function<absl::Status()> reload;
  {
    const std::lock_guard<std::mutex> lock(reload_mu_);
    reload = reload_;
  }
  if (!reload) {
    *body = "there is nothing to reload\n";
    return 404;
  }
  const absl::Status done = reload();
  CountReload(done.ok());
  *body =
      done.ok() ? "reloaded\n" : std::string(MessageOf(done)) + "\nthe configuration before is in force\n";
  return done.ok() ? 200 : 400;
}

unsigned HttpPage::TargetsJson(std::string* body) {
  if (agents_.size() == 1) {
    if (agents_[0]->GetTargetsJson(body)) return 200;
    *body = "{}";
    return 503;
  }
  JsonWriter json(body);
  json.BeginObject().Key("ends").BeginArray();
  for (Agent* agent : agents_) {
    std::string one;
    json.Raw(agent->GetTargetsJson(&one) ? one : "null");
  }
  json.EndArray().EndObject();
  return 200;
}

unsigned HttpPage::Answer(const std::string& path, bool html, std::string* body, std::string* type) {
  if (path == "/ready") {
    const bool ready = std::all_of(agents_.begin(), agents_.end(), [](const Agent* a) { return a->ready(); });
    *body = ready ? "ready\n" : "starting\n";
    return ready ? 200 : 503;
  }
  if (path == "/healthy") {
    body->clear();
    for (const Agent* agent : agents_) {
      if (agent->healthy()) continue;
      *body += "stalled: nothing was acknowledged for 5 minutes, or the loop hangs";
      *body += agent->end().empty() ? "\n" : ": " + agent->end() + "\n";
    }
    if (!body->empty()) return 503;
    *body = "healthy\n";
    return 200;
  }
  if (path == "/metrics") {
    stats_.resize(agents_.size());
    for (size_t i = 0; i < agents_.size(); ++i) {
      if (agents_[i]->GetStats(&stats_[i])) continue;
      *body = "the agent does not answer\n";
      return 503;
    }
    *body = metrics_.Text();
    if (stages_ != nullptr) stages_->Text(MonotonicNs(), body);
    *type = "text/plain; version=0.0.4; charset=utf-8";
    return 200;
  }
  if (path == "/targets") {
    *type = "application/json";
    const unsigned status = TargetsJson(body);
    if (!html || status != 200) return status;
    *type = "text/html; charset=utf-8";
    *body = TargetsPage(*body);
    return 200;
  }
  if (path == "/") {
    std::string targets;
    if (html && TargetsJson(&targets) == 200) {
      *type = "text/html; charset=utf-8";
      *body = TargetsPage(targets);
      return 200;
    }
    *body = "skald-agent: /ready /healthy /metrics /targets /tap, and POST /-/reload\n";
    return 200;
  }
  *body = "not found; there are /ready /healthy /metrics /targets /tap\n";
  return 404;
}

std::vector<Metrics::Sample> HttpPage::Samples(const std::function<double(const AgentStats&)>& read) const {
  std::vector<Metrics::Sample> samples;
  for (size_t i = 0; i < agents_.size() && i < stats_.size(); ++i) {
    Metrics::Sample sample;
    if (!agents_[i]->end().empty()) sample.labels["end"] = agents_[i]->end();
    sample.value = read(stats_[i]);
    samples.push_back(std::move(sample));
  }
  return samples;
}

void HttpPage::ReasonMetric(const char* name, const char* help,
                            std::function<void(const AgentStats&, const AddReason&)> read) {
  metrics_.Callback(this, MetricKind::kCounter, name, help, [this, read] {
    std::vector<Metrics::Sample> samples;
    for (size_t i = 0; i < agents_.size() && i < stats_.size(); ++i) {
      read(stats_[i], [&](std::string_view reason, double value) {
        Metrics::Sample sample;
        sample.labels["reason"] = std::string(reason);
        if (!agents_[i]->end().empty()) sample.labels["end"] = agents_[i]->end();
        sample.value = value;
        samples.push_back(std::move(sample));
      });
    }
    return samples;
  });
}

void HttpPage::RegisterMetrics() {
  metrics_.AddProcessMetrics();
  const auto add = [this](MetricKind kind, const char* name, const char* help,
                          std::function<double(const AgentStats&)> read) {
    metrics_.Callback(this, kind, name, help, [this, read] { return Samples(read); });
  };
  const auto counter = [&](const char* name, const char* help, auto read) {
    add(MetricKind::kCounter, name, help, read);
  };
  const auto gauge = [&](const char* name, const char* help, auto read) {
    add(MetricKind::kGauge, name, help, read);
  };
  metrics_.Callback(this, MetricKind::kCounter, "agent_config_reloads_total",
                    "Reloads of the configuration, by result.", [this] {
                      std::vector<Metrics::Sample> samples(2);
                      samples[0].labels["result"] = "success";
                      samples[0].value = static_cast<double>(reloads_.load());
                      samples[1].labels["result"] = "failure";
                      samples[1].value = static_cast<double>(failed_reloads_.load());
                      return samples;
                    });
  using S = const AgentStats&;
  counter("agent_read_lines_total", "Lines read. read = acked + in flight + dropped.",
          [](S s) { return s.read_lines; });
  counter("agent_read_bytes_total", "Bytes of lines read.", [](S s) { return s.read_bytes; });
  counter("agent_acked_lines_total", "Lines the server has on its disk.", [](S s) { return s.acked_lines; });
  counter("agent_acked_bytes_total", "Bytes of lines the server has on its disk.",
          [](S s) { return s.acked_bytes; });
  gauge("agent_in_flight_lines", "Lines read and not yet acknowledged.",
        [](S s) { return s.in_flight_lines; });
  gauge("agent_in_flight_bytes", "Bytes of lines read and not yet acknowledged.",
        [](S s) { return s.in_flight_bytes; });
  counter("agent_file_bytes_total", "Bytes read from files, with the framing of their formats.",
          [](S s) { return s.tail.read_bytes; });
  counter("agent_sent_batches_total", "Batches sent, resent ones too.",
          [](S s) { return s.push.sent_batches; });
  counter("agent_sent_bytes_total", "Compressed bytes sent, resent ones too.",
          [](S s) { return s.push.sent_bytes; });
  counter("agent_retries_total", "Batches the server did not take yet.", [](S s) { return s.push.retries; });
  counter("agent_connection_failures_total", "Streams to the server that broke or did not open.",
          [](S s) { return s.push.failures; });
  gauge("agent_connected", "1 if the server answers.", [](S s) { return s.push.connected ? 1 : 0; });
  gauge("agent_lag_bytes", "Bytes of files not delivered.", [](S s) { return s.tail.lag_bytes; });
  gauge("agent_lag_seconds", "Since when the file that is longest behind is.",
        [](S s) { return static_cast<double>(s.tail.lag_ns) / 1e9; });
  gauge("agent_files", "Files tailed.", [](S s) { return s.tail.files; });
  gauge("agent_open_files", "Files open.", [](S s) { return s.tail.open_files; });
  gauge("agent_directories", "Directories watched.", [](S s) { return s.tail.directories; });
  gauge("agent_held_deleted_bytes", "Disk space of deleted files held for reading.",
        [](S s) { return s.tail.held_deleted_bytes; });
  gauge("agent_memory_bytes", "Memory of all that is read and not delivered.",
        [](S s) { return s.memory_bytes; });
  counter("agent_inotify_overflows_total", "Times the kernel's event queue was full.",
          [](S s) { return s.tail.inotify_overflows; });
  counter("agent_watch_failures_total", "Directories that could not be watched.",
          [](S s) { return s.tail.failed_watches; });
  counter("agent_invalid_records_total",
          "Records that are not of their file's format, passed on as they are.",
          [](S s) { return s.tail.parse.invalid_records; });
  counter("agent_truncated_lines_total", "Lines cut at max_line_size.",
          [](S s) { return s.tail.parse.truncated_lines; });
  counter("agent_replaced_characters_total", "What is no character in its file's encoding, sent as U+FFFD.",
          [](S s) { return s.tail.parse.replaced_characters; });
  counter("agent_journal_entries_total", "Entries read from the systemd journal.",
          [](S s) { return s.journal_entries; });
  counter("agent_spool_read_lines_total", "Lines read from the spool; the others that were taken wait in it.",
          [](S s) { return s.spool_lines; });
  counter("agent_state_write_errors_total", "Failures to write the positions.",
          [](S s) { return s.state_write_errors; });
  ReasonMetric("agent_lost_bytes_total", "Bytes that will never be sent, by reason.",
               [](S s, const AddReason& sample) {
                 const auto add_bytes = [&](std::string_view reason, uint64_t bytes) {
                   sample(reason, static_cast<double>(bytes));
                 };
                 add_bytes("truncated_before_read", s.tail.lost.truncated_before_read);
                 add_bytes("held_deleted_limit", s.tail.lost.held_deleted_limit);
                 add_bytes("rotated_away", s.tail.lost.rotated_away);
                 add_bytes("damaged_compressed", s.tail.lost.damaged_compressed);
                 add_bytes("line_too_long", s.tail.parse.truncated_bytes);
                 add_bytes("torn_record", s.tail.parse.torn_bytes);
                 uint64_t refused = 0;
                 for (const auto& [reason, counts] : s.refused) refused += counts.second;
                 add_bytes("server_rejected", refused);
               });
  ReasonMetric("logentry_dropped_lines_total", "Lines dropped by pipeline stages and limits, by reason.",
               [](S s, const AddReason& sample) {
                 for (const auto& [reason, dropped] : s.dropped)
                   sample(reason, static_cast<double>(dropped.lines));
               });
  ReasonMetric("logentry_dropped_bytes_total",
               "Bytes of lines dropped by pipeline stages and limits, by reason.",
               [](S s, const AddReason& sample) {
                 for (const auto& [reason, dropped] : s.dropped)
                   sample(reason, static_cast<double>(dropped.bytes));
               });
  ReasonMetric("agent_refused_lines_total", "Lines the server refused, by its reason.",
               [](S s, const AddReason& sample) {
                 for (const auto& [reason, counts] : s.refused)
                   sample(reason, static_cast<double>(counts.first));
               });
  ReasonMetric("agent_refused_bytes_total", "Bytes of lines the server refused, by its reason.",
               [](S s, const AddReason& sample) {
                 for (const auto& [reason, counts] : s.refused)
                   sample(reason, static_cast<double>(counts.second));
               });
  gauge("agent_guarded_labels", "Labels with too many values, sent as structured metadata.",
        [](S s) { return s.tail.guarded_labels.size(); });
  RegisterPromtailNames();
}

// The numbers that Promtail has too, under its names, so that what was made for it finds them.
void HttpPage::RegisterPromtailNames() {
  using S = const AgentStats&;
  const auto add = [this](MetricKind kind, const char* name, const char* help,
                          std::function<double(const AgentStats&)> read, bool with_host = false) {
    metrics_.Callback(this, kind, name, help, [this, read, with_host] {
      std::vector<Metrics::Sample> samples = Samples(read);
      for (size_t i = 0; with_host && i < samples.size(); ++i)
        samples[i].labels["host"] = agents_[i]->server_name();
      return samples;
    });
  };
  constexpr MetricKind kCounter = MetricKind::kCounter;
  constexpr MetricKind kGauge = MetricKind::kGauge;
  metrics_.Gauge("promtail_build_info", "1, with the version.", {{"version", agents_[0]->version()}}).Set(1);
  add(kCounter, "promtail_read_lines_total", "Lines read.", [](S s) { return s.read_lines; });
  add(kCounter, "promtail_read_bytes_total", "Bytes of lines read.", [](S s) { return s.read_bytes; });
  add(kCounter, "promtail_file_bytes_total", "Bytes read from files, with the framing of their formats.",
      [](S s) { return s.tail.read_bytes; });
  add(kGauge, "promtail_files_active_total", "Files tailed.", [](S s) { return s.tail.files; });
  add(kGauge, "promtail_targets_active_total", "Files tailed: each is a target here.",
      [](S s) { return s.tail.files; });
  add(
      kCounter, "promtail_sent_entries_total", "Lines the end has on its disk.",
      [](S s) { return s.acked_lines; }, true);
  add(
      kCounter, "promtail_sent_bytes_total", "Bytes of lines the end has on its disk.",
      [](S s) { return s.acked_bytes; }, true);
  add(
      kCounter, "promtail_encoded_bytes_total", "Compressed bytes sent, resent ones too.",
      [](S s) { return s.push.sent_bytes; }, true);
  add(
      kCounter, "promtail_batch_retries_total", "Batches the end did not take yet.",
      [](S s) { return s.push.retries; }, true);
  ReasonMetric("promtail_dropped_entries_total", "Lines that will never be sent, by reason.",
               [](S s, const AddReason& sample) {
                 for (const auto& [reason, dropped] : s.dropped)
                   sample(reason, static_cast<double>(dropped.lines));
                 for (const auto& [reason, counts] : s.refused)
                   sample(reason, static_cast<double>(counts.first));
               });
}

}  // namespace skald::agent
