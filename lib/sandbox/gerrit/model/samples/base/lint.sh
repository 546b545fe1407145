#!/bin/sh
# Checks that every script parses and has no tabs or trailing spaces. Usage: lint.sh
cd "$(dirname "$0")" || exit 2
tab=$(printf '\t')
bad=0
for file in *.sh test/*.sh; do
  echo "lint $file"
  sh -n "$file" || bad=1
  if grep -n -e "$tab" -e ' $' "$file"; then
    echo "$file: the lines above have tabs or trailing spaces" >&2
    bad=1
  fi
done
exit "$bad"
