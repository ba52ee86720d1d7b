#!/bin/sh
# Vector instructions that not every processor of the family has stay in the kernel files of their
# own.  usage: isa.sh FOLDER OBJDUMP
set -u
folder=$1 objdump=$2
if [ -e "$folder/core/kernels/altivec.o" ]; then
  own=altivec vector='	(lv[a-z]+|stv[a-z]+|v[a-z][a-z0-9]+|m[ft]vscr|m[ft]vrsave|ds[st]t?|dssall)([	 ]|$)'
elif [ -e "$folder/core/kernels/avx2.o" ]; then
  own=avx vector='%[yz]mm|	v[a-z0-9]+ '
elif [ -e "$folder/core/kernels/dotprod.o" ]; then
  # What came after ARMv8.0, whose own vector instructions every file may have.
  own=dotprod vector='	([su]+dot|sqrdml[as]h|crc32[a-z]+|(cas|swp|ldadd|ldclr|ldset|ldeor)[a-z]*)	'
else
  echo 'no vector kernels in this build'
  exit 77
fi
failures=0 with=0
for object in "$folder"/core/*.o "$folder"/core/*/*.o "$folder"/bindings/*.o; do
  [ -e "$object" ] || continue
  count=$("$objdump" -d --no-show-raw-insn "$object" | grep -Ec "$vector")
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
echo "$with vector instructions in $own*.o, $failures other files have some"
[ "$failures" -eq 0 ]
