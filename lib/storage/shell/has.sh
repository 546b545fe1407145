# shellcheck shell=sh
# Succeeds if the image can be cloned. $1: its ID.

ready "$1" || exit "$EXIT_NOT_THERE"
