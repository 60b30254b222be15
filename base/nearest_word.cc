#include "base/nearest_word.h"

#include <algorithm>

namespace skald {
namespace {

size_t Distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t up = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1])});
      diagonal = up;
    }
  }
  return row[b.size()];
}

}  // namespace

std::string NearestWord(std::string_view wrong, const std::vector<std::string>& known) {
  std::string best;
  size_t least = 4;
  for (const std::string& name : known) {
    const size_t d = Distance(wrong, name);
    if (d < least && d * 2 < wrong.size() + 1) {
      least = d;
      best = name;
    }
  }
  return best;
}

}  // namespace skald
