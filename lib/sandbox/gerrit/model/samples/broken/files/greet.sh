#!/bin/sh
# Says hello to all. usage: greet.sh [NAME...]
set -eu
[ $# -gt 0 ] || set -- world
names=$1
shift
for name in $*; do
  names="$name and $names"
done
echo "Hello, $names"
