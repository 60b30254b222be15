// The keys of a Promtail configuration that have nothing to say here.
#pragma once

#include "base/config.h"

namespace skald::agent {

// Names each of them with what to do instead, so that none is taken for a mistake. Not among them are
// scrape_configs, clients and what the agent has a setting of its own for.
void RegisterPromtailKeys(Config* config);

}  // namespace skald::agent
