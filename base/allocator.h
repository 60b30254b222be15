// How glibc's allocator is used, before the first thread starts.
#pragma once

namespace skald {

// Large pieces are given back to the system when they are freed, and there are few arenas to keep small ones:
// else a process keeps several times what it needs after a while of queries and pushes.
void KeepLittleFreeMemory();

}  // namespace skald
