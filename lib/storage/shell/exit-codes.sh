# shellcheck shell=sh
# shellcheck disable=SC2034 # Read by the programs that this file is put in front of.

# The exit codes of answers, as EXIT in programs.ts: a test compares them.
EXIT_NOT_THERE=10
EXIT_NO_IMAGE=11
EXIT_FOREIGN=12
EXIT_TAKEN=13
EXIT_READY=14
EXIT_NO_DRAFT=15
EXIT_NO_DISK=16
EXIT_BUSY=17
EXIT_STUCK=18
