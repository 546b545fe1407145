# shellcheck shell=sh
# shellcheck disable=SC2034 # Read by the programs that this file is put in front of.

# The exit codes that say why a program ended, as FETCH_EXIT in programs.ts: a test compares them.
EXIT_NO_CURL=40
EXIT_REFUSED=41
EXIT_GAVE_UP=42
EXIT_WRITE=43
EXIT_CHECKSUM=44
EXIT_NO_FILE=45
EXIT_CHANGING=46
EXIT_MACHINE=47
EXIT_FULL=48
EXIT_TOO_LARGE=49
EXIT_NO_TOOL=50
EXIT_DAMAGED=51
