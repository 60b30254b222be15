// How glibc's allocator is used.
#pragma once

namespace skald {

// Before the first thread starts. Large pieces are given back to the system when they are freed, and there
// are few arenas to keep small ones: else a process keeps several times what it needs after a while of
// queries and pushes.
void KeepLittleFreeMemory();

// Gives back to the system what is free between pieces that are in use, where it is much: what heads, queries
// and compaction leave behind is spread over the heap, and would add up with the hours. Other threads wait
// for memory meanwhile, some milliseconds for 100 MiB. Thread-safe.
void ReturnFreedMemory();

}  // namespace skald
