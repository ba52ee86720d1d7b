#!/bin/sh
# The page of `lull compare --html` in a browser: its plots and numbers, another measure, a sorted
# table, texts chosen by their prompt and seed.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/support/browser.sh

odd='Tom: </script><b>hi</b> <img src=x onerror=alert(1)>'
lull compare --strategy greedy:temperature=0 --strategy 'hot <i>:temperature=1.5,min_p=0.02' \
  -p 'Once upon a time' -p "$odd" --seeds 3 -n 24 --html "$work/page.html" > "$work/table" || exit 1

# What the terminal's table has is in the page's.
number=$(awk '/^hot/ { print $3; exit }' "$work/table" | sed 's/-/−/')

check 'numbers and plots' page.html 1200 'lullaby: what is better' '2 ways of telling' \
  '2 prompts · 3 seeds · at most 24 tokens' "<td class=\"\">$number<small>± " \
  '↑ log-probability of a token' 'different pairs of words →' '<polyline class="curve"' \
  'class="label"' '<span class="before">Once upon a time</span>, there was a little girl named' \
  'top_k(40)' '↑ bits' 'each model judges its own texts'
check 'on a telephone' page.html 375 '<svg width="351"' 'class="label"' '24 tokens, cut'
check 'in a wide window' page.html 1200 '-<svg width="351"'
check 'markup stays text' page.html 1200 '-<b>hi' '-<img' '-<i>' 'hot &lt;i&gt;' \
  'Tom: &lt;/script&gt;&lt;b&gt;hi'
check 'a text in the address' 'page.html#p=2&s=3' 1200 \
  '<span class="before">Tom: &lt;/script&gt;' '-<span class="before">Once'
check 'an address that is none' 'page.html#p=9&s=99' 1200 '<span class="before">Tom: '

tell() { # tell PROMPT SEED: what the page should show of the hot strategy, but for its line ends
  printf '</span>'
  lull tell --no-prompt -p "$1" --seed "$2" -n 24 --set temperature=1.5 --set min_p=0.02 \
    | head -n 1 | sed 's/&/\&amp;/g; s/</\&lt;/g; s/>/\&gt;/g'
}
act next.html 'byId("next").focus(); document.activeElement.click(); document.activeElement.click();'
check 'next' next.html 1200 "$(tell 'Once upon a time' 3)" 'role="status">3 of 6' "-$(tell 'Once upon a time' 1)"
act back.html 'byId("back").click();'
check 'back, around the end' back.html 1200 "$(tell "$odd" 3)" '-<span class="before">Once'
act choose.html 'byId("seed").value = "1"; byId("seed").dispatchEvent(new Event("change"));'
check 'another seed' choose.html 1200 "$(tell 'Once upon a time' 2)"
sort='document.querySelector("[data-metric=distinct_2] button").click();'
rows='document.body.dataset.rows = [...byId("table").tBodies[0].rows].map(r => r.dataset.arm);'
act sort.html "$sort $rows"
check 'sorted, the best on top' sort.html 1200 'data-rows="1,0"' 'aria-sort="descending"'
act turned.html "$sort $sort $rows"
check 'sorted, the other way' turned.html 1200 'data-rows="0,1"' 'aria-sort="ascending"'
act unsorted.html "$sort $sort $sort $rows"
check 'sorted no longer' unsorted.html 1200 'data-rows="0,1"' '-aria-sort="'
act measure.html 'byId("quality").value = "repetition_4";
  byId("quality").dispatchEvent(new Event("change")); byId("diversity").value = "self_bleu";
  byId("diversity").dispatchEvent(new Event("change"));'
check 'another measure' measure.html 1200 '↑ repeated four-grams' 'likeness to the others' \
  '-↑ log-probability'
act hover.html 'document.querySelector("#plane [data-arm]").dispatchEvent(
  new MouseEvent("mouseover", {bubbles: true}));'
check 'a pointer' hover.html 1200 'class="lit"' '<article data-arm="0" style="--arm: var(--c0)" class="on">'

lull compare --seeds 1 -n 8 --html "$work/one.html" > /dev/null || exit 1
check 'a single text' one.html 1200 'defaults' 'n/a' '1 way of telling' '-NaN' '-undefined'

finish
