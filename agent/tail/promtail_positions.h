// Where Promtail left off: its positions file, taken over once into a state directory that is new.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "agent/positions/state_journal.h"

namespace skald::agent {

// Entries of a positions file as they are written: offsets by path, cursors under "cursor-<job>" and
// "cursor-<container id>". A file that is no YAML (cut off, full of NULs) gives the lines that are whole;
// their missing is told in *damaged. Does not throw.
std::map<std::string, std::string> ParsePromtailPositions(std::string_view text, bool* damaged);

struct ImportedPositions {
  bool tried = false;       // the state was new, and the file was there
  uint64_t files = 0;       // go on where Promtail was
  uint64_t from_start = 0;  // changed since, or not readable: read as Promtail would have, from the beginning
  uint64_t gone = 0;        // no such file any more
  bool journal = false;
  bool damaged = false;
};

// Puts positions and the journal's cursor (of journal_job, else of the only job that has one) into the state
// if it is new; a second call, and one after a start without the file, does nothing. A crash in between makes
// the next start begin anew. An offset inside a line goes back to the line's begin, as Promtail never sent
// it. A file that is shorter than its offset was rotated since: the rest is looked for in the rotated file.
// Compressed files, whose positions count lines, are decompressed for it. Containers read over Docker's API
// have whole seconds: their json-file begins with the first record of that second.
ImportedPositions ImportPromtailPositions(const std::string& file, const std::string& docker_directory,
                                          const std::string& journal_job, StateJournal* journal);

}  // namespace skald::agent
