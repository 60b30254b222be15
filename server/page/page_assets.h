// The files of the page, as the build has put them into the program.
#pragma once

#include <span>
#include <string_view>

namespace skald::server {

struct PageAsset {
  std::string_view path;          // in a URL: "/" or "/page/..."
  std::string_view content_type;  // with its charset
  std::string_view etag;          // in quotes, of the bytes
  std::string_view gzip;          // the bytes, compressed once and for ever
};

// Made by build.mjs.
std::span<const PageAsset> PageAssets();

}  // namespace skald::server
