# What the tests of pages in a browser share; sourced from the top of the tree. A test writes pages
# into $work, calls `check` for each thing that is to be seen, and ends with `finish`.
# shellcheck shell=sh
: "${BUILD:=build}" "${LUA:=lua5.1}"
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

# lull ARGUMENTS...: the command, without what sanitizers preload
lull() {
  LULL_BUILD=$BUILD LD_PRELOAD='' "$LUA" scripts/bin/lull "$@"
}

# Windows have a least width, but frames do not: what is seen in a frame of this width takes the
# place of the page around it.
framed() { # framed ADDRESS WIDTH
  cat > "$work/frame.html" << END
<!DOCTYPE html><html><body><iframe id="frame" src="$1" width="$2" height="800"></iframe><script>
addEventListener('load', () => {
  const inside = document.getElementById('frame').contentDocument.documentElement;
  document.documentElement.innerHTML = inside.innerHTML;
});
</script></body></html>
END
}

# seen ADDRESS WIDTH: the page as the browser has it after its script ran
seen() {
  address=$1
  if [ "$2" -lt 500 ]; then
    framed "$1" "$2"
    address=frame.html
  fi
  timeout -k 5 60 "$browser" --headless --no-sandbox --disable-gpu --disable-dev-shm-usage \
    --hide-scrollbars --allow-file-access-from-files --enable-logging=stderr \
    --user-data-dir="$work/profile" --window-size="$2",800 \
    --dump-dom "file://$work/$address" 2> "$work/errors"
}

# act FILE SCRIPT: a copy of page.html with a few lines more in its script
act() {
  awk -v script="$2" '{ if ($0 == "</script>") print script; print }' "$work/page.html" > "$work/$1"
}

passed=0 failed=0
# check NAME ADDRESS WIDTH TEXT...: each TEXT is in what is seen, -TEXT is not, and the browser
# has nothing to complain of
check() {
  name=$1 shown=$2 width=$3 wrong=
  shift 3
  seen "$shown" "$width" > "$work/dom"
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

finish() {
  printf '%d passed, %d failed, 0 skipped\n' "$passed" "$failed"
  [ "$failed" -eq 0 ]
}
