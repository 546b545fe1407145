#!/bin/sh
# Says hello. usage: greet.sh [NAME]
set -eu
name=${1:-world}
echo "Hello, $name"
