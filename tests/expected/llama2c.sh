#!/bin/sh
# Makes the texts that lull.sampling.llama2c must reproduce, with karpathy's llama2.c
# (github.com/karpathy/llama2.c, run.c at commit 350e04f):
#
#   gcc -O2 -ffp-contract=off run.c -o run -lm
#   sh llama2c.sh ./run stories260K.bin tok512.bin > stories260K.txt
#   sh llama2c.sh ./run lullaby-f32.bin tokenizer.bin > lullaby-f32.txt
#
# Each text follows a line "== temperature top_p seed prompt".
set -eu
run=$1 model=$2 tokenizer=$3

tell() { # tell TEMPERATURE TOP_P SEED PROMPT
  printf '== %s %s %s %s\n' "$1" "$2" "$3" "$4"
  "$run" "$model" -z "$tokenizer" -t "$1" -p "$2" -s "$3" -n 256 -i "$4" 2> /dev/null
}

for prompt in '' 'Once upon a time' 'One day, a little boy named Tom found a red' \
  'The dog said, "I am hungry!"' 'Lily'; do
  tell 0 0.9 1 "$prompt"
done
for temperature in 0.8 1.0; do
  for top_p in 0.9 1.0; do
    for seed in 1 2 3 4 5 6 7 8; do
      tell "$temperature" "$top_p" "$seed" 'Once upon a time'
    done
  done
done
