# shellcheck shell=sh
# Prints LENGTH bytes at OFFSET as the guest sees them, in qemu-io's dump.

exec qemu-io -r -f "$FORMAT" -c "read -v $OFFSET $LENGTH" "$PART"
