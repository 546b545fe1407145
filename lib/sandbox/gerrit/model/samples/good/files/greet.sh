#!/bin/sh
# Says hello. usage: greet.sh [--formal] [NAME]
set -eu
word=Hello
if [ "${1:-}" = --formal ]; then
  word="Good day"
  shift
fi
name=${1:-world}
echo "$word, $name!"
