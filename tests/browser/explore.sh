#!/bin/sh
# The page of `lull explore --html` in a browser: what it shows for tokens that are named in the
# address, clicked on, moved to with keys, or pointed at.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/support/browser.sh

page() { # page FILE ARGUMENTS...
  file=$1
  shift
  lull explore "$@" --html "$work/$file" > /dev/null
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

finish
