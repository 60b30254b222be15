#include <absl/strings/cord.h>

#include <cstdlib>

#include "base/error.h"
#include "query/logql/parser.h"
#include "query/logql/printer.h"

namespace skald::logql {
namespace {

// The payload of a status: "<line>:<col>". The message is what follows the envelope.
constexpr char kPlaceUrl[] = "skald/logql/place";

}  // namespace

const std::string_view kEmptyMatcherMessage =
    "queries require at least one regexp or equality matcher that does not have an empty-compatible value. "
    "For "
    "instance, app=~\".*\" does not meet this requirement, but app=~\".+\" will";

absl::Status ParseErrorAt(int line, int col, std::string_view message) {
  absl::Status status = line == 0 && col == 0
                            ? InvalidArgument("parse error : {}", message)
                            : InvalidArgument("parse error at line {}, col {}: {}", line, col, message);
  status.SetPayload(kPlaceUrl, absl::Cord(fmt::format("{}:{}", line, col)));
  return status;
}

absl::Status ParseError(std::string_view message) { return ParseErrorAt(0, 0, message); }

absl::Status StageError(const Stage& stage, std::string_view message) {
  return ParseError(fmt::format("stage '{}' : {}", PrintStage(stage), message));
}

std::optional<ParseErrorDetail> DetailOf(const absl::Status& status) {
  const absl::optional<absl::Cord> place = status.GetPayload(kPlaceUrl);
  if (!place) return std::nullopt;
  const std::string text(*place);
  ParseErrorDetail detail;
  detail.line = std::atoi(text.c_str());
  detail.col = std::atoi(text.c_str() + text.find(':') + 1);
  // Both envelopes end in ": ", the first one of the message.
  const std::string_view message = MessageOf(status);
  detail.message = std::string(message.substr(message.find(": ") + 2));
  return detail;
}

}  // namespace skald::logql
