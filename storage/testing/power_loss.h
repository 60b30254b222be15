// What a power cut leaves of files. A program that links power_loss.cc has its calls that change files below
// a watched directory written down, those of its libraries too; from that, the states of the disk are made
// that a cut at any moment may leave: what was synced is there, what was not may be, in any order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

namespace skald {

// From now on, for the rest of the process's life. What is there already counts as synced. Calls are appended
// to the file `journal`, which must lie elsewhere. Syncs are written down and not carried out.
void WatchDirectory(const std::string& directory, const std::string& journal);
// Notes something of the caller's at this place of the journal.
void NoteInJournal(uint64_t a, uint64_t b);

struct JournalNote {
  uint64_t a = 0;
  uint64_t b = 0;
};

// Number of entries in a journal, and of those that only tell what was there when the watch began.
size_t JournalSize(const std::string& journal);
size_t JournalBase(const std::string& journal);

// Makes `directory` (which must not be there) as a cut before entry `cut` may leave the watched one, and
// answers the notes before it.
std::vector<JournalNote> MakeCutDirectory(const std::string& journal, size_t cut,
                                          const std::string& directory, std::mt19937* random);

}  // namespace skald
