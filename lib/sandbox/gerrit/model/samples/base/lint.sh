#!/bin/sh
# Checks every script: does it parse, and is it free of tabs and trailing spaces? usage: lint.sh
cd "$(dirname "$0")" || exit 2
tab=$(printf '\t')
bad=0
for file in *.sh test/*.sh; do
  echo "lint $file"
  sh -n "$file" || bad=1
  if grep -n -e "$tab" -e ' $' "$file"; then
    echo "$file: a tab or trailing space stands in the lines above" >&2
    bad=1
  fi
done
exit "$bad"
