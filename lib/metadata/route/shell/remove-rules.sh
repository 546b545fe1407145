# shellcheck shell=sh
# Removes all rules of $1 (ID) except those of the places that follow. Preceded by rules.sh.

id=$1
shift
take_back "$id" " $* "
