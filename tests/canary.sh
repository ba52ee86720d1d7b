#!/bin/sh
# The sanitizer reports a planted fault and makes the program fail.
set -u
if report=$("$BUILD/bin/canary" "$SAN" 2>&1); then
  echo "$report"
  echo "the $SAN build let a planted fault pass"
  exit 1
fi
case $report in
  *Sanitizer*|*'runtime error'*) ;;
  *) echo "$report"; echo 'the program failed, but without a report'; exit 1 ;;
esac
