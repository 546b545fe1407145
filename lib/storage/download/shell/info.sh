# shellcheck shell=sh
# Prints what `qemu-img info` says as JSON.

exec qemu-img info -f "$FORMAT" --output=json "$PART"
