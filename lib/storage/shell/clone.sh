# shellcheck shell=sh
# Clones an image. $1: name of the clone; $2: ID of the image; $3: the record of its owner; $4: `old` if the source of
# the image may have changed.

lock "$1"
known=
if [ -e "$BOOK/$1" ]; then
  known=$(cat "$BOOK/$1")
  if [ "$known" != "$3" ]; then
    printf '%s\n' "$known"
    exit "$EXIT_FOREIGN"
  fi
fi
if [ -z "$known" ] || ! has_clone "$1"; then
  ready "$2" "$4" || exit "$EXIT_NO_IMAGE"
  if [ -z "$known" ]; then
    has_clone "$1" && exit "$EXIT_TAKEN"
    mkdir -p "$BOOK" && printf '%s\n' "$3" >"$BOOK/.$1" && mv -f "$BOOK/.$1" "$BOOK/$1" || exit 1
  fi
  make_clone "$2" "$1" || exit 1
  if [ ! -e "$BOOK/$1" ]; then
    drop_clone "$1"
    echo 'its record was removed while it was being made' >&2
    exit 1
  fi
fi
show "$ROOT/$1"
