#!/bin/sh
# Runs all tests, prints one line per test, and fails if a test failed. Usage: test/run.sh
cd "$(dirname "$0")/.." || exit 2
count=0
failed=0

# check WHAT EXPECTED GOT
check() {
  count=$((count + 1))
  if [ "$2" = "$3" ]; then
    echo "ok $count - $1"
  else
    failed=$((failed + 1))
    echo "not ok $count - $1"
    echo "#   expected: $2"
    echo "#        got: $3"
  fi
}

for file in test/*.test.sh; do
  echo "# $file"
  . "./$file"
done

echo "1..$count"
if [ "$failed" -gt 0 ]; then
  echo "# $failed of $count tests failed"
  exit 1
fi
echo "# all $count tests passed"
