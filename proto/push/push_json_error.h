// What Loki's decoder says of a push in JSON that cannot be read: the text senders show to their users and
// tests look for. It reads the body a second time, as that decoder would.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace skald {

// What is wrong in one stream although its JSON is well formed.
struct StreamFault {
  size_t stream = 0;  // its place in the request
  std::string text;
};

// The whole error text for a body that was refused: of the first damage to its JSON, else of the fault.
// nullopt where that decoder would have taken the body. Of bodies beyond 512 bytes the quoted surroundings
// may be cut elsewhere than in Loki, which reads piece by piece.
std::optional<std::string> PushJsonError(std::string_view body, const std::optional<StreamFault>& fault);

}  // namespace skald
