// libcurl, set up for one server, and its errors in words that help. For http_client.cc and web_socket.cc.
#pragma once

#include <absl/status/status.h>
#include <curl/curl.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/http_client.h"

namespace skald::cli {

struct CurlHandle {
  CurlHandle();
  ~CurlHandle();
  CurlHandle(const CurlHandle&) = delete;
  CurlHandle& operator=(const CurlHandle&) = delete;

  // How to reach the server: times, TLS, user. connection must live as long as the handle.
  void Configure(const Connection& connection);
  void AddHeader(const std::string& header) { headers = curl_slist_append(headers, header.c_str()); }
  // Of every request: tenant, token, tags.
  static std::vector<std::pair<std::string, std::string>> RequestHeaders(const Connection& connection);

  // What a request that got no answer ended with.
  absl::Status ErrorOf(CURLcode code, const Connection& connection) const;

  CURL* curl = nullptr;  // null where libcurl cannot be set up
  curl_slist* headers = nullptr;
  char error[CURL_ERROR_SIZE] = {};
};

// InvalidArgument for what is no http:// or https:// address.
absl::Status CheckAddress(const Connection& connection);

// What an answer that is not 2xx means.
absl::Status AnswerError(long code, std::string_view body, std::string_view path);

}  // namespace skald::cli
