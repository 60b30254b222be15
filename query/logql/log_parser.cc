#include "query/logql/log_parser.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/error.h"
#include "base/go_regex.h"
#include "base/labels.h"
#include "base/status_macros.h"
#include "query/logql/parser.h"
#include "query/logql/pattern.h"
#include "query/logql/token_ops.h"

namespace skald::logql {

using Kind = TokenKind;

absl::StatusOr<LogRangeExpr> LogParser::ParseLogRange() {
  const Nesting nesting(this);
  RETURN_IF_ERROR(CheckNesting());
  const size_t first = index();
  LogRangeExpr log;
  if (At(Kind::kOpenBrace)) {
    ASSIGN_OR_RETURN(log.source.selector, ParseSelector());
    log.source.range = RangeFrom(first);
    RETURN_IF_ERROR(ParseAfterSelector(first, &log));
  } else if (TakeIf(Kind::kOpenParenthesis)) {
    RETURN_IF_ERROR(ParseParenthesized(&log));
  } else {
    return Unexpected({Kind::kOpenBrace, Kind::kOpenParenthesis});
  }
  log.range = RangeFrom(first);
  return log;
}

absl::Status LogParser::ParseAfterSelector(size_t first, LogRangeExpr* log) {
  if (At(Kind::kRange)) {
    RETURN_IF_ERROR(ParseRangeAndOffset(log));
    RETURN_IF_ERROR(ParseStages(first, &log->source, &log->unwrap));
    return absl::OkStatus();
  }
  RETURN_IF_ERROR(ParseStages(first, &log->source, &log->unwrap));
  if (!At(Kind::kRange)) {
    return log->unwrap ? Unexpected({Kind::kRange, Kind::kPipe}) : Unexpected();
  }
  return ParseRangeAndOffset(log);
}

absl::Status LogParser::ParseRangeAndOffset(LogRangeExpr* log) {
  log->range_ns = Take().duration;
  if (!TakeIf(Kind::kOffset)) return absl::OkStatus();
  if (!At(Kind::kDuration)) return Unexpected({Kind::kDuration});
  log->offset_ns = Take().duration;
  return absl::OkStatus();
}

absl::Status LogParser::ParseParenthesized(LogRangeExpr* log) {
  if (At(Kind::kOpenParenthesis)) {
    ASSIGN_OR_RETURN(*log, ParseLogRange());
    return Expect(Kind::kCloseParenthesis);
  }
  if (!At(Kind::kOpenBrace)) return Unexpected({Kind::kOpenBrace, Kind::kOpenParenthesis});
  const size_t first = index();
  ASSIGN_OR_RETURN(log->source.selector, ParseSelector());
  log->source.range = RangeFrom(first);
  if (At(Kind::kRange)) {
    RETURN_IF_ERROR(ParseAfterSelector(first, log));
    return Expect(Kind::kCloseParenthesis);
  }
  RETURN_IF_ERROR(ParseStages(first, &log->source, &log->unwrap));
  if (At(Kind::kRange)) {
    RETURN_IF_ERROR(ParseRangeAndOffset(log));
    return Expect(Kind::kCloseParenthesis);
  }
  if (!TakeIf(Kind::kCloseParenthesis)) {
    return log->unwrap ? Unexpected({Kind::kRange, Kind::kCloseParenthesis, Kind::kPipe}) : Unexpected();
  }
  if (!At(Kind::kRange)) return Unexpected({Kind::kRange});
  RETURN_IF_ERROR(ParseRangeAndOffset(log));
  if (log->source.stages.empty() && !log->unwrap && At(Kind::kPipe)) {
    const size_t pipe = index();
    Take();
    if (!At(Kind::kUnwrap)) return Unexpected({Kind::kUnwrap});
    ASSIGN_OR_RETURN(log->unwrap, ParseUnwrap(pipe));
  }
  return absl::OkStatus();
}

absl::StatusOr<Unwrap> LogParser::ParseUnwrap(size_t first) {
  Take();
  Unwrap unwrap;
  switch (token().kind) {
    case Kind::kIdentifier:
      break;
    case Kind::kBytesConversion:
      unwrap.conversion = UnwrapConversion::kBytes;
      break;
    case Kind::kDurationConversion:
      unwrap.conversion = UnwrapConversion::kDuration;
      break;
    case Kind::kDurationSecondsConversion:
      unwrap.conversion = UnwrapConversion::kDurationSeconds;
      break;
    default:
      return Unexpected({Kind::kIdentifier, Kind::kBytesConversion, Kind::kDurationConversion,
                         Kind::kDurationSecondsConversion});
  }
  if (unwrap.conversion == UnwrapConversion::kNone) {
    unwrap.label = Take().text;
  } else {
    Take();
    RETURN_IF_ERROR(Expect(Kind::kOpenParenthesis));
    ASSIGN_OR_RETURN(unwrap.label, TakeText(Kind::kIdentifier));
    RETURN_IF_ERROR(Expect(Kind::kCloseParenthesis));
  }
  while (TakeIf(Kind::kPipe)) {
    RETURN_IF_ERROR(CheckFilterStart());
    ASSIGN_OR_RETURN(LabelFilter filter, ParseLabelFilter());
    unwrap.filters.push_back(std::move(filter));
  }
  unwrap.range = RangeFrom(first);
  return unwrap;
}

absl::StatusOr<LogSelectorExpr> LogParser::ParseLog() {
  const size_t first = index();
  LogSelectorExpr log;
  ASSIGN_OR_RETURN(log.selector, ParseSelector());
  log.range = RangeFrom(first);
  RETURN_IF_ERROR(ParseStages(first, &log, nullptr));
  return log;
}

absl::StatusOr<Selector> LogParser::ParseSelector() {
  const size_t first = index();
  Selector selector;
  Take();
  if (!At(Kind::kIdentifier) && !At(Kind::kCloseBrace))
    return Unexpected({Kind::kIdentifier, Kind::kCloseBrace});
  if (!TakeIf(Kind::kCloseBrace)) {
    for (;;) {
      ASSIGN_OR_RETURN(std::string name, TakeText(Kind::kIdentifier));
      const std::optional<MatchOp> op = MatchOpOf(token().kind);
      if (!op) return Unexpected({Kind::kEq, Kind::kRe, Kind::kNre, Kind::kNeq});
      Take();
      ASSIGN_OR_RETURN(Matcher matcher, TakeMatcher(*op, std::move(name)));
      selector.matchers.push_back(std::move(matcher));
      if (TakeIf(Kind::kCloseBrace)) break;
      if (!TakeIf(Kind::kComma)) return Unexpected({Kind::kCloseBrace, Kind::kComma});
    }
  }
  selector.range = RangeFrom(first);
  return selector;
}

absl::Status LogParser::ParseStages(size_t first, LogSelectorExpr* log, std::optional<Unwrap>* unwrap) {
  for (;;) {
    const size_t start = index();
    if (LineFilterOpOf(token().kind)) {
      RETURN_IF_ERROR(ParseLineFilter(&log->stages));
    } else if (At(Kind::kPipe)) {
      Take();
      if (At(Kind::kUnwrap) && unwrap != nullptr) {
        ASSIGN_OR_RETURN(*unwrap, ParseUnwrap(start));
        return absl::OkStatus();
      }
      ASSIGN_OR_RETURN(Stage stage, ParseStage(start));
      log->stages.push_back(std::move(stage));
    } else {
      return absl::OkStatus();
    }
    log->range = RangeFrom(first);
  }
}

absl::StatusOr<LineFilterOperand> LogParser::ParseLineFilterOperand() {
  LineFilterOperand operand;
  if (At(Kind::kString)) {
    operand.text = Take().text;
    return operand;
  }
  if (!TakeIf(Kind::kIp)) return Unexpected({Kind::kString, Kind::kIp});
  operand.is_ip = true;
  RETURN_IF_ERROR(Expect(Kind::kOpenParenthesis));
  ASSIGN_OR_RETURN(operand.text, TakeText(Kind::kString));
  RETURN_IF_ERROR(Expect(Kind::kCloseParenthesis));
  return operand;
}

absl::Status LogParser::ParseLineFilter(std::vector<Stage>* stages) {
  const size_t first = index();
  LineFilter filter;
  filter.op = *LineFilterOpOf(Take().kind);
  const bool negative = filter.op == LineFilterOp::kNotContains || filter.op == LineFilterOp::kNotRegex ||
                        filter.op == LineFilterOp::kNotPattern;
  ASSIGN_OR_RETURN(LineFilterOperand operand, ParseLineFilterOperand());
  filter.operands.push_back(std::move(operand));
  bool group_ended =
      false;  // by an ip(): what follows replaces all but the first operand of a positive chain
  while (TakeIf(Kind::kOr)) {
    if (group_ended && !negative) filter.operands.resize(1);
    ASSIGN_OR_RETURN(operand, ParseLineFilterOperand());
    group_ended = operand.is_ip;
    filter.operands.push_back(std::move(operand));
  }
  filter.range = RangeFrom(first);
  if (!negative) {
    stages->push_back(std::move(filter));
    return absl::OkStatus();
  }
  for (LineFilterOperand& one : filter.operands)
    stages->push_back(LineFilter{filter.op, {std::move(one)}, filter.range});
  return absl::OkStatus();
}

absl::StatusOr<Stage> LogParser::ParseStage(size_t first) {
  switch (token().kind) {
    case Kind::kJson: {
      Take();
      JsonParser stage;
      ASSIGN_OR_RETURN(stage.extractions, ParseExtractions());
      stage.range = RangeFrom(first);
      return Stage(std::move(stage));
    }
    case Kind::kLogfmt: {
      Take();
      LogfmtParser stage;
      while (At(Kind::kFunctionFlag)) (Take().text == "--strict" ? stage.strict : stage.keep_empty) = true;
      ASSIGN_OR_RETURN(stage.extractions, ParseExtractions());
      stage.range = RangeFrom(first);
      return Stage(std::move(stage));
    }
    case Kind::kRegexp: {
      Take();
      RegexpParser stage;
      ASSIGN_OR_RETURN(stage.pattern, TakeText(Kind::kString));
      stage.range = RangeFrom(first);
      RETURN_IF_ERROR(CheckRegexpStage(stage.pattern));
      return Stage(std::move(stage));
    }
    case Kind::kPattern: {
      Take();
      PatternParser stage;
      ASSIGN_OR_RETURN(stage.pattern, TakeText(Kind::kString));
      stage.range = RangeFrom(first);
      if (const auto tokens = ParsePattern(stage.pattern); !tokens.ok()) {
        return ParseError(fmt::format("invalid pattern parser: {}", MessageOf(tokens.status())));
      }
      return Stage(std::move(stage));
    }
    case Kind::kUnpack:
      Take();
      return Stage(Unpack{RangeFrom(first)});
    case Kind::kDecolorize:
      Take();
      return Stage(Decolorize{RangeFrom(first)});
    case Kind::kLineFormat: {
      Take();
      LineFormat stage;
      ASSIGN_OR_RETURN(stage.text, TakeText(Kind::kString));
      stage.range = RangeFrom(first);
      return Stage(std::move(stage));
    }
    case Kind::kLabelFormat:
      return ParseLabelFormat(first);
    case Kind::kDrop: {
      Take();
      Drop stage;
      ASSIGN_OR_RETURN(stage.items, ParseNamesOrMatchers());
      stage.range = RangeFrom(first);
      return Stage(std::move(stage));
    }
    case Kind::kKeep: {
      Take();
      Keep stage;
      ASSIGN_OR_RETURN(stage.items, ParseNamesOrMatchers());
      stage.range = RangeFrom(first);
      return Stage(std::move(stage));
    }
    case Kind::kIdentifier:
    case Kind::kOpenParenthesis: {
      if (const StageSyntax* syntax = AtNamedStage()) return ParseNamedStage(first, *syntax);
      ASSIGN_OR_RETURN(LabelFilter filter, ParseLabelFilter());
      return Stage(std::move(filter));
    }
    default:
      return Unexpected();
  }
}

absl::Status LogParser::CheckRegexpStage(std::string_view pattern) {
  const auto compiled = CompileGoRegex(pattern);
  std::string error;
  if (!compiled.ok()) {
    error = std::string(MessageOf(compiled.status()));
  } else {
    const std::vector<std::string> names = GoRegexGroupNames(pattern);
    if (names.empty()) error = "at least one named capture must be supplied";
    for (size_t i = 0; i < names.size() && error.empty(); ++i) {
      const auto here = names.begin() + static_cast<ptrdiff_t>(i);
      if (std::find(names.begin(), here, names[i]) != here) {
        error = fmt::format("duplicate extracted label name '{}'", names[i]);
      }
    }
  }
  return error.empty() ? absl::OkStatus() : ParseError(fmt::format("invalid regexp parser: {}", error));
}

absl::StatusOr<std::vector<LabelExtraction>> LogParser::ParseExtractions() {
  std::vector<LabelExtraction> extractions;
  if (!At(Kind::kIdentifier)) return extractions;
  do {
    LabelExtraction extraction;
    ASSIGN_OR_RETURN(extraction.name, TakeText(Kind::kIdentifier));
    extraction.expression = extraction.name;
    if (TakeIf(Kind::kEq)) {
      ASSIGN_OR_RETURN(extraction.expression, TakeText(Kind::kString));
    }
    extractions.push_back(std::move(extraction));
  } while (TakeIf(Kind::kComma));
  return extractions;
}

absl::StatusOr<Stage> LogParser::ParseLabelFormat(size_t first) {
  Take();
  LabelFormat stage;
  do {
    LabelFormatItem item;
    ASSIGN_OR_RETURN(item.name, TakeText(Kind::kIdentifier));
    RETURN_IF_ERROR(Expect(Kind::kEq));
    if (!At(Kind::kIdentifier) && !At(Kind::kString)) return Unexpected({Kind::kIdentifier, Kind::kString});
    item.is_rename = At(Kind::kIdentifier);
    item.value = Take().text;
    stage.items.push_back(std::move(item));
  } while (TakeIf(Kind::kComma));
  stage.range = RangeFrom(first);
  return Stage(std::move(stage));
}

absl::StatusOr<std::vector<NameOrMatcher>> LogParser::ParseNamesOrMatchers() {
  std::vector<NameOrMatcher> items;
  do {
    NameOrMatcher item;
    ASSIGN_OR_RETURN(item.name, TakeText(Kind::kIdentifier));
    if (const std::optional<MatchOp> op = MatchOpOf(token().kind)) {
      Take();
      ASSIGN_OR_RETURN(item.matcher, TakeMatcher(*op, item.name));
    }
    items.push_back(std::move(item));
  } while (TakeIf(Kind::kComma));
  return items;
}

// `distinct = "x"` is a filter on a label of that name: an operator follows it, no argument.
const StageSyntax* LogParser::AtNamedStage() const {
  if (!options().extensions || !At(Kind::kIdentifier) || KindAfter(1) != Kind::kIdentifier) return nullptr;
  return FindStageSyntax(token().text);
}

absl::StatusOr<Stage> LogParser::ParseNamedStage(size_t first, const StageSyntax& syntax) {
  NamedStage stage;
  stage.word = Take().text;
  if (syntax.arguments == StageArguments::kNames) {
    do {
      StageArgument argument;
      ASSIGN_OR_RETURN(argument.name, TakeText(Kind::kIdentifier));
      stage.arguments.push_back(std::move(argument));
    } while (TakeIf(Kind::kComma));
  } else {
    do {
      ASSIGN_OR_RETURN(StageArgument argument, ParseCount(syntax, stage.arguments));
      stage.arguments.push_back(std::move(argument));
    } while (At(Kind::kIdentifier));
  }
  stage.range = RangeFrom(first);
  return Stage(std::move(stage));
}

absl::StatusOr<StageArgument> LogParser::ParseCount(const StageSyntax& syntax,
                                                    const std::vector<StageArgument>& earlier) {
  StageArgument argument;
  argument.name = token().text;
  if (std::find(syntax.names.begin(), syntax.names.end(), argument.name) == syntax.names.end()) {
    return ErrorHere(fmt::format("{} has nothing called {}", syntax.word, argument.name));
  }
  if (std::any_of(earlier.begin(), earlier.end(), [&](const auto& e) { return e.name == argument.name; })) {
    return ErrorHere(fmt::format("{} of {} stands twice", argument.name, syntax.word));
  }
  Take();
  RETURN_IF_ERROR(Expect(Kind::kEq));
  if (!At(Kind::kNumber)) return Unexpected({Kind::kNumber});
  uint64_t count = 0;
  const std::string& text = token().text;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (error != std::errc() || end != text.data() + text.size() || count > syntax.largest_count) {
    return ErrorHere(fmt::format("{} of {} is a whole number up to {}, not {}", argument.name, syntax.word,
                                 syntax.largest_count, text));
  }
  Take();
  argument.count = count;
  return argument;
}

}  // namespace skald::logql
