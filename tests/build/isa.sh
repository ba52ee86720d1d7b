#!/bin/sh
# The baseline build for this machine has no vector instructions outside the kernel files.
exec sh tests/cross/isa.sh "$BUILD" "$OBJDUMP"
