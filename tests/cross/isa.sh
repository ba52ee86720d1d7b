#!/bin/sh
# Vector instructions that not every processor of the family has stay in the kernel files of their
# own, and AMX's in theirs.  usage: isa.sh FOLDER OBJDUMP
set -u
folder=$1 objdump=$2
if [ -e "$folder/core/kernels/altivec.o" ]; then
  own=altivec vector='	(lv[a-z]+|stv[a-z]+|v[a-z][a-z0-9]+|m[ft]vscr|m[ft]vrsave|ds[st]t?|dssall)([	 ]|$)'
elif [ -e "$folder/core/kernels/avx2.o" ]; then
  own='a[vm]x' vector='%[yz]mm|	v[a-z0-9]+ '
elif [ -e "$folder/core/kernels/dotprod.o" ]; then
  # What came after ARMv8.0, whose own vector instructions every file may have.
  own=dotprod vector='	([su]+dot|sqrdml[as]h|crc32[a-z]+|(cas|swp|ldadd|ldclr|ldset|ldeor)[a-z]*)	'
else
  echo 'no vector kernels in this build'
  exit 77
fi
tile='%tmm|	(ld|st)tilecfg|	tilerelease'
failures=0 with=0
for object in "$folder"/core/*.o "$folder"/core/*/*.o "$folder"/bindings/*.o; do
  [ -e "$object" ] || continue
  count=$("$objdump" -d --no-show-raw-insn "$object" | grep -Ec "$vector")
  tiles=$("$objdump" -d --no-show-raw-insn "$object" | grep -Ec "$tile")
  case $(basename "$object"):$tiles in
    amx*:[1-9]*) ;;
    amx*:0 | *:[1-9]*)
      failures=$((failures + 1))
      echo "$object has $tiles tile instructions: they are in amx.o and nowhere else"
      ;;
  esac
  case $(basename "$object") in
    $own*) with=$((with + count)) ;;
    *)
      if [ "$count" -gt 0 ]; then
        failures=$((failures + 1))
        echo "$object has $count vector instructions, such as:"
        "$objdump" -d --no-show-raw-insn "$object" | grep -E "$vector" | head -3
      fi
      ;;
  esac
done
if [ "$with" -eq 0 ]; then
  echo "found no vector instruction in $own*.o either: this test sees nothing"
  failures=$((failures + 1))
fi
echo "$with vector instructions in $own*.o, $failures files are not as they should be"
[ "$failures" -eq 0 ]
