#!/usr/bin/env bash
# Builds and runs the tests; the last line is "N passed, N failed".
#   --suite default|slow|all       which tests (default: default)
#   --sanitize address|thread      with ASan and UBSan, or with TSan, in build-address or build-thread
#   --filter NAME[/CASES]          only tests with this in their name, and in them these Boost.Test cases
#   --werror                       compiler warnings are errors
# CXX chooses the compiler; one of another name builds in a folder of its own.
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
cd "$lamina_root"

usage() { sed -n '2,/^source/{/^#/s/^# \{0,1\}//p}' "$0" >&2; exit 2; }

suite=default sanitize= filter= werror=false
while [ $# -gt 0 ]; do
  case $1 in
    --suite) suite=${2:-}; shift ;;
    --sanitize) sanitize=${2:-}; shift ;;
    --filter) filter=${2:-}; shift ;;
    --werror) werror=true ;;
    *) usage ;;
  esac
  shift || usage
done

folder=build options=(--buildtype=release) run=(--no-rebuild --print-errorlogs)
case $sanitize in
  '') ;;
  address)
    folder=build-address
    options=(-Db_sanitize=address,undefined)
    export ASAN_OPTIONS=detect_leaks=1:strict_string_checks=1:check_initialization_order=1
    # A throw leaves frames of the fake stack to be swept: campaigns of millions of refusals would
    # do little else.
    [ "$suite" = default ] && ASAN_OPTIONS+=:detect_stack_use_after_return=1
    export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
    ;;
  thread)
    folder=build-thread
    options=(-Db_sanitize=thread)
    export TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1
    ;;
  *) usage ;;
esac
if [ -n "$sanitize" ]; then
  # What the suite "build" tests is the installation, not the program.
  options+=(--buildtype=debugoptimized -Doptimization=1 -Db_lundef=false
    '-Dcpp_args=-fno-sanitize-recover=all -fno-omit-frame-pointer')
  run+=(--timeout-multiplier 10 --no-suite build)
fi
[ "${CXX:-c++}" = c++ ] || [ "${CXX:-g++}" = g++ ] || folder=$folder-$(basename "$CXX")
case $suite in
  default | slow) run+=(--suite "$suite") ;;
  all) run+=(--suite default --suite slow) ;;
  *) usage ;;
esac

install_packages
configure "$folder" "${options[@]}"
if ! grep -q "\"name\": \"werror\", \"value\": $werror," "$folder/meson-info/intro-buildoptions.json"; then
  meson configure "$folder" -Dwerror=$werror
fi
if ! ninja -C "$folder"; then
  say "the build failed"
  echo "0 passed, 1 failed"
  exit 1
fi

name=${filter%%/*}
if [ -n "$name" ]; then
  mapfile -t names < <(meson introspect "$folder" --tests | python3 -c '
import json, sys
for test in json.load(sys.stdin):
    if sys.argv[1] in test["name"]: print(test["name"])' "$name")
  if [ ${#names[@]} = 0 ]; then
    say "no test has '$name' in its name"
    echo "0 passed, 0 failed"
    exit 1
  fi
  run+=("${names[@]}")
  [ "$name" = "$filter" ] || run+=(--test-args "--run_test=${filter#*/}")
fi
log=$folder/meson-logs/testlog.json
rm -f "$log"
meson test -C "$folder" "${run[@]}" || true
exec python3 scripts/count_tests.py "$log"
