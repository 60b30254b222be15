// What Admission collects of one push on its way from streams to the answer.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "server/push/admission.h"
#include "server/push/entry_rules.h"

namespace skald::server {

// Not thread-safe. What the constructor takes outlives it.
class Admission::Batch {
 public:
  Batch(Admission* admission, const Limits* limits, const std::string& tenant, const PushOrigin& origin);

  const EntryRules& rules() const { return rules_; }

  // Whether the stream may be stored at all; if not, its lines are counted as refused.
  bool Passes(const ResolvedStream& stream, uint64_t lines, uint64_t bytes);
  void RefuseEntry(const ResolvedStream& stream, const char* reason, int64_t time_ns, size_t line_bytes,
                   uint64_t metadata_bytes, uint64_t metadata_count);
  // Lines that only the refusals tell of, not the answer. stream: null where its labels cannot be read.
  void Refuse(const ResolvedStream* stream, std::string_view name, std::string_view reason,
              std::string_view message, uint64_t lines, uint64_t bytes);

  // A whole push that is not taken.
  AdmissionResult Fail(int status, std::string message);

  // Offers a stream's admitted rows; `bytes` are those of lines and metadata.
  void Offer(const std::shared_ptr<const ResolvedStream>& stream, std::shared_ptr<const Rows> rows,
             std::string encoded, uint64_t bytes);
  // The limits over the whole push, then the streams.
  AdmissionResult Close();

 private:
  struct Candidate {
    std::shared_ptr<const ResolvedStream> stream;
    std::shared_ptr<const Rows> rows;
    std::string encoded;
    uint64_t bytes;
  };

  AdmissionResult Finish();
  std::string_view PolicyOf(const ResolvedStream& stream) const;
  void CountDiscarded(const std::string& reason, const PushRefusal& refusal);

  Admission* const admission_;
  const std::string& tenant_;
  const PushOrigin& origin_;
  const EntryRules rules_;
  AdmissionResult result_;
  ErrorGroup errors_;
  PushError blocked_{204, ""};  // of the last stream that was
  std::vector<Candidate> candidates_;
};

inline constexpr std::string_view kDetectedLevel = "detected_level";

// Bytes of metadata and number of pairs of a row, detected_level not counted.
struct RowMetadata {
  uint64_t bytes = 0;
  uint64_t count = 0;
};
// Of each row; empty where none has any.
std::vector<RowMetadata> MetadataOfRows(const Rows& rows);

}  // namespace skald::server
