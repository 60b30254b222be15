// skaldctl: asks a Skald or Loki server from the command line, with logcli's verbs and flags.
#include "cli/command_line.h"

int main(int argc, char** argv) { return skald::cli::CommandLine(SKALD_VERSION).Run(argc, argv); }
