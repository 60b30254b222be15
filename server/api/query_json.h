// A query's answer as Loki's JSON: field order, escapes, number forms and the newline at the end are part of
// the contract.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "query/exec/result.h"

namespace skald {

class JsonWriter;  // base/json_writer.h

}  // namespace skald

namespace skald::server {

struct QueryTiming {
  int64_t exec_ns = 0;   // from the start of the run
  int64_t queue_ns = 0;  // waiting for it
};

// About how long QueryResultJson's text gets: what is to be reserved before it is made.
size_t ResultJsonBytes(const QueryResult& result);

// The whole body. encoding_flags are echoed for streams, and `categorize-labels` among them changes their
// form.
std::string QueryResultJson(const QueryResult& result, const std::vector<std::string>& encoding_flags,
                            const QueryTiming& timing);

// The members that `categorize-labels` gives a line: "structuredMetadata":{...} and "parsed":{...}, each left
// out where it is empty.
void WriteLabelCategories(JsonWriter* w, const CategorizedLabels& labels);

// A volume answer: series with one sample each are a vector, in the order given; else a matrix.
std::string VolumeJson(const std::vector<Series>& series, const QueryStats& stats, const QueryTiming& timing);

// The stats object, all fields of it.
std::string StatsJson(const QueryStats& stats, const QueryTiming& timing);

// {"status":"success","data":[...]}\n, without "data" where the list is empty.
std::string StringListJson(const std::vector<std::string>& values);

// {"values":[...]}\n, {}\n where the list is empty: the form before /loki/api/v1.
std::string LegacyListJson(const std::vector<std::string>& values);

// {"status":"success","data":[{...},...]}\n
std::string SeriesJson(const std::vector<Labels>& series);

}  // namespace skald::server
