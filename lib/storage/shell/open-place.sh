# shellcheck shell=sh
# shellcheck disable=SC2034 # Read by the programs that this file is put in front of.

# Put between the functions and an operation. $1: the place, a path or a dataset; the rest are the operation's own.
PLACE=$1
shift
open_place || exit
BOOK=$ROOT/.recheck LOCKS=$ROOT/.recheck/._locks
