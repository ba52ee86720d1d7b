#!/bin/sh
# The page of `lull explore --html` in a browser: what it shows for tokens that are named in the
# address, clicked on, moved to with keys, or pointed at.
set -u
: "${BUILD:=build}" "${LUA:=lua5.1}"
cd "$(dirname "$0")/../.." || exit 1
case $BUILD in /*) ;; *) BUILD=$PWD/$BUILD ;; esac
browser=
for name in chromium chromium-browser google-chrome; do
  if command -v $name > /dev/null; then
    browser=$name
    break
  fi
done
if [ -z "$browser" ]; then
  echo 'skip  no chromium here'
  exit 77
fi
work=$(mktemp -d "${TMPDIR:-/tmp}/lull-browser.XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
export HOME="$work" # and its profile

page() { # page FILE ARGUMENTS...
  file=$1
  shift
  LULL_BUILD=$BUILD LD_PRELOAD='' "$LUA" scripts/bin/lull explore "$@" --html "$work/$file" > /dev/null
}

# seen ADDRESS WIDTH: the page as the browser has it after its script ran
seen() {
  timeout -k 5 60 "$browser" --headless --no-sandbox --disable-gpu --disable-dev-shm-usage \
    --enable-logging=stderr --user-data-dir="$work/profile" --window-size="$2",800 --dump-dom \
    "file://$work/$1" 2> "$work/errors"
}

# act FILE SCRIPT: a copy of page.html with a few lines more in its script
act() {
  awk -v script="$2" '{ if ($0 == "</script>") print script; print }' "$work/page.html" > "$work/$1"
}

passed=0 failed=0
# check NAME ADDRESS WIDTH TEXT...: each TEXT is in what is seen, -TEXT is not, and the browser
# has nothing to complain of
check() {
  name=$1 address=$2 width=$3 wrong=
  shift 3
  seen "$address" "$width" > "$work/dom"
  for text; do
    if [ "${text#-}" != "$text" ]; then
      ! grep -qF -- "${text#-}" "$work/dom" || wrong="$wrong [$text]"
    else
      grep -qF -- "$text" "$work/dom" || wrong="$wrong [$text]"
    fi
  done
  ! grep 'CONSOLE' "$work/errors" || wrong="$wrong complaints"
  if [ -z "$wrong" ]; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    echo "FAIL  $name:$wrong"
  fi
}

page page.html -p 'Once upon a time' -n 12 --seed 7 || exit 1
printf 'Tom: </script><b>hi</b> <img src=x onerror=alert(1)> \303\251\377' > "$work/odd.txt"
page odd.html --text "$work/odd.txt" || exit 1

check 'begins with the first token' page.html 1200 \
  '<h2>1. <bdi>,</bdi></h2>' 'Once upon a time</span>' 'lullaby.bin: 12 tokens' \
  'What could have come' '<polyline class="cool"' 'top_k(40)'
check 'a token in the address' 'page.html#t=6' 1200 '<h2>6. <bdi>␣boy</bdi></h2>' '31.3 %, rank 2;' \
  '<bdi>␣girl</bdi>' 'aria-label="What each stage of the chain left"' '2,048 left'
check 'on a telephone' 'page.html#t=6' 375 '<h2>6. <bdi>␣boy</bdi></h2>' '<bdi>␣girl</bdi>'
check 'an address that is none' 'page.html#t=99' 1200 '<h2>12. <bdi>'

act click.html 'elements[7].click();'
check 'a click' click.html 1200 '<h2>8. <bdi>␣Tim</bdi></h2>' '<bdi>␣Tom</bdi>' \
  'data-i="7" aria-label="token 8: ␣Tim, 42.5 %, rank 1" '
key='document.activeElement.dispatchEvent(new KeyboardEvent("keydown", {key: "KEY", bubbles: true}));'
press() { echo "$key" | sed "s/KEY/$1/"; }
act keys.html "$(press End)$(press ArrowLeft)$(press ArrowLeft)$(press ArrowRight)"
check 'keys' keys.html 1200 '<h2>11. <bdi>'
act down.html "$(press ArrowDown)"
check 'a line down' down.html 375 '-<h2>1. ' '-<h2>2. '
act up.html "$(press ArrowDown)$(press ArrowUp)"
check 'and up again' up.html 375 '<h2>1. '
act hover.html \
  'elements[5].dispatchEvent(new MouseEvent("mouseover", {bubbles: true}));'
check 'a pointer' hover.html 1200 '<h2>6. <bdi>␣boy</bdi></h2>'
act entropy.html 'document.querySelector("[value=entropy]").click();'
check 'another colour' entropy.html 1200 'tint: var(--cool)' '6 bits and more'

check 'odd text stays text' odd.html 1200 '-<b>hi' '-<img' '&lt;</span>' '>é<'
count=$(grep -o '"position"' "$work/odd.html" | wc -l)
check 'bytes that are no text' "odd.html#t=$count" 1200 '�' '(bytes FF)'

printf '%d passed, %d failed, 0 skipped\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
