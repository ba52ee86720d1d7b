#!/bin/sh
# Builds what the tests of another machine need beside lull: cmocka, and for PowerPC a Lua
# with LPeg and LuaSocket.
# usage: cross.sh SOURCES FOLDER TRIPLE
#
# SOURCES is the folder sources.sh filled.  Leaves FOLDER/cmocka/{cmocka.h,libcmocka.a}, and for
# powerpc-linux-gnu FOLDER/lua/{lua,lua.h,...}, FOLDER/lpeg.so, FOLDER/socket/core.so and FOLDER/root, a copy of
# the target's libraries that emulated old processors can run.  What cannot be built is left out.
set -u

[ $# -eq 3 ] || { echo 'usage: cross.sh SOURCES FOLDER TRIPLE' >&2; exit 2; }
sources=$1 folder=$2 triple=$3
cc=$triple-gcc
cmocka=$(find "$sources" -path '*/cmocka-*/src/cmocka.c')
lua=$(find "$sources" -path '*/lua5.1-*/src/lua.c')
lpeg=$(find "$sources" -path '*/lua-lpeg-*/lpvm.c')
socket=$(find "$sources" -path '*/luasocket-*/src/luasocket.c')

if [ ! -e "$folder/cmocka/libcmocka.a" ] && [ -n "$cmocka" ]; then
  from=${cmocka%/src/cmocka.c}
  out=$folder/cmocka
  mkdir -p "$out" || exit 1
  cp "$from"/include/cmocka*.h "$out" || exit 1
  # What its configure step would find on any Linux with glibc.
  : > "$out/config.h"
  if ! "$cc" -std=gnu99 -O2 -w -DHAVE_CONFIG_H -DHAVE_ASSERT_H -DHAVE_INTTYPES_H -DHAVE_MALLOC_H \
    -DHAVE_SETJMP_H -DHAVE_SIGNAL_H -DHAVE_STDARG_H -DHAVE_STDDEF_H -DHAVE_STDINT_H \
    -DHAVE_STDIO_H -DHAVE_STDLIB_H -DHAVE_STRINGS_H -DHAVE_STRING_H -DHAVE_TIME_H -DHAVE_UNISTD_H \
    -DHAVE_STRUCT_TIMESPEC -DHAVE_SNPRINTF -DHAVE_VSNPRINTF -DHAVE_STRSIGNAL \
    -DHAVE_SIGLONGJMP -DHAVE_CLOCK_GETTIME -DHAVE_CLOCK_REALTIME -DHAVE_GCC_THREAD_LOCAL_STORAGE \
    -I"$out" -c -o "$out/cmocka.o" "$cmocka" ||
    ! "$triple-ar" rcs "$out/libcmocka.a" "$out/cmocka.o"; then
    echo "  cmocka does not build for $triple"
  fi
fi

[ "$triple" = powerpc-linux-gnu ] || exit 0

if [ ! -e "$folder/lua/lua" ] && [ -n "$lua" ]; then
  out=$folder/lua
  mkdir -p "$out" || exit 1
  cp "${lua%lua.c}"*.[ch] "$out" || exit 1
  rm -f "$out/luac.c" "$out/print.c"
  printf '#define DEB_HOST_MULTIARCH "%s"\n' "$triple" > "$out/lua5.1-deb-multiarch.h"
  "$cc" -O2 -w -mcpu=750 -DLUA_USE_POSIX -DLUA_USE_DLOPEN -Wl,-E -o "$out/lua" "$out"/*.c -lm -ldl ||
    echo "  Lua does not build for $triple"
fi

if [ ! -e "$folder/lpeg.so" ] && [ -n "$lpeg" ] && [ -e "$folder/lua/lua" ]; then
  "$cc" -O2 -w -mcpu=750 -shared -fPIC -I"$folder/lua" -o "$folder/lpeg.so" "${lpeg%vm.c}"*.c ||
    echo "  LPeg does not build for $triple"
fi

if [ ! -e "$folder/socket/core.so" ] && [ -n "$socket" ] && [ -e "$folder/lua/lua" ]; then
  mkdir -p "$folder/socket" || exit 1
  set --
  for part in luasocket timeout buffer io auxiliar options inet except select tcp udp compat usocket; do
    set -- "$@" "${socket%luasocket.c}$part.c"
  done
  "$cc" -O2 -w -mcpu=750 -shared -fPIC -I"$folder/lua" -o "$folder/socket/core.so" "$@" ||
    echo "  LuaSocket does not build for $triple"
fi

root=$folder/root
if [ ! -e "$root/done" ] && [ -e "/usr/$triple/lib/ld.so.1" ]; then
  mkdir -p "$root/lib" || exit 1
  for library in ld.so.1 libc.so.6 libm.so.6 libdl.so.2 libpthread.so.0 libgcc_s.so.1; do
    cp -L "/usr/$triple/lib/$library" "$root/lib/" || exit 1
  done
  lua5.1 tests/setup/plain_mffs.lua "$root"/lib/* && : > "$root/done"
fi
