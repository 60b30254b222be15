#include "server/http/router.h"

#include <algorithm>

#include "base/error.h"
#include "server/http/url.h"

namespace skald::server {
namespace {

std::vector<std::string> Split(std::string_view path) {
  std::vector<std::string> out;
  size_t begin = 1;
  while (begin <= path.size()) {
    const size_t end = std::min(path.find('/', begin), path.size());
    out.emplace_back(path.substr(begin, end - begin));
    begin = end + 1;
  }
  return out;
}

bool IsParam(std::string_view segment) { return segment.size() > 2 && segment.front() == '{'; }

}  // namespace

void Router::Add(const std::vector<std::string>& methods, const std::string& pattern, Route route) {
  auto entry =
      std::find_if(entries_.begin(), entries_.end(), [&](const Entry& e) { return e.pattern == pattern; });
  if (entry == entries_.end()) {
    entries_.push_back({pattern, Split(pattern), {}});
    entry = std::prev(entries_.end());
  }
  for (const std::string& method : methods) entry->by_method.emplace_back(method, route);
}

Router::Match Router::Find(HttpRequest* request) const {
  std::string_view target = request->target;
  if (target.starts_with("http://") || target.starts_with("https://")) {
    const size_t slash = target.find('/', target.find("//") + 2);
    target = slash == std::string_view::npos ? "/" : target.substr(slash);
  }
  const size_t mark = std::min(target.find('?'), target.size());
  request->raw_query = mark < target.size() ? target.substr(mark + 1) : std::string_view();
  absl::StatusOr<std::string> path = UrlDecode(target.substr(0, mark), false);
  if (!path.ok() || path->empty() || path->front() != '/') {
    return {nullptr, TextResponse(400, "400 Bad Request")};
  }
  request->path = *std::move(path);
  if (std::string clean = CleanPath(request->path); clean != request->path) {
    HttpResponse moved = EmptyResponse(301);
    std::string location;
    for (const std::string& segment : Split(clean)) location += "/" + UrlEncode(segment);
    if (!request->raw_query.empty()) location += "?" + request->raw_query;
    moved.headers.emplace_back("Location", std::move(location));
    return {nullptr, std::move(moved)};
  }
  const std::vector<std::string> segments = Split(request->path);
  bool known_path = false;
  for (const Entry& entry : entries_) {
    if (entry.segments.size() != segments.size()) continue;
    bool same = true;
    for (size_t i = 0; i < segments.size() && same; ++i) {
      same = IsParam(entry.segments[i]) ? !segments[i].empty() : entry.segments[i] == segments[i];
    }
    if (!same) continue;
    known_path = true;
    for (const auto& [method, route] : entry.by_method) {
      if (method != request->method) continue;
      for (size_t i = 0; i < segments.size(); ++i) {
        const std::string& name = entry.segments[i];
        if (IsParam(name)) request->path_params.emplace_back(name.substr(1, name.size() - 2), segments[i]);
      }
      request->pattern = entry.pattern;
      return {&route, {}};
    }
  }
  if (known_path) return {nullptr, EmptyResponse(405)};
  return {nullptr, TextResponse(404, "404 page not found\n")};
}

std::vector<std::string> Router::Patterns() const {
  std::vector<std::string> out;
  for (const Entry& entry : entries_) out.push_back(entry.pattern);
  return out;
}

}  // namespace skald::server
