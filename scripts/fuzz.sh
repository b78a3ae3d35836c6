#!/usr/bin/env bash
# Fuzzes the readers of files with libFuzzer under ASan and UBSan, in build-fuzz; the last line is
# "N executions, N findings".
#   --seconds N    per reader (default: 60)
#   READER...      the names of test/fuzz/*.cpp: npy, checkpoint, ... (default: all)
# What it learns stays in build-fuzz/corpus/READER. A finding goes to build-fuzz/findings/READER; once
# mended, move it to test/fuzz/corpus/READER, which the tests read again.
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
cd "$lamina_root"

usage() { sed -n '2,/^source/{/^#/s/^# \{0,1\}//p}' "$0" >&2; exit 2; }

seconds=60 readers=()
while [ $# -gt 0 ]; do
  case $1 in
    --seconds) seconds=${2:-}; shift ;;
    -*) usage ;;
    *) readers+=("$1") ;;
  esac
  shift || usage
done
[[ $seconds =~ ^[0-9]+$ ]] || usage
known=$(sed -n "s/^fuzz_readers = \[\(.*\)\]/\1/p" test/fuzz/meson.build | tr -d "',")
[ ${#readers[@]} -gt 0 ] || read -ra readers <<<"$known"
for reader in "${readers[@]}"; do
  [[ " $known " = *" $reader "* ]] || { say "no reader '$reader'; there are: $known"; exit 2; }
done

install_packages
export CXX=clang++-16
command -v "$CXX" >/dev/null && [ -d /usr/lib/llvm-16/lib/clang/16/lib ] ||
  apt_install clang-16 libclang-rt-16-dev || { say "needed: clang-16 libclang-rt-16-dev"; exit 1; }

folder=build-fuzz
configure "$folder" --buildtype=debugoptimized -Doptimization=1 -Dfuzz=true -Dexamples=false \
  -Db_sanitize=address,undefined -Db_lundef=false \
  '-Dcpp_args=-fsanitize=fuzzer-no-link -fno-sanitize-recover=all -fno-omit-frame-pointer'
ninja -C "$folder" "${readers[@]/#/test/fuzz_}" >&2

export ASAN_OPTIONS=detect_leaks=1:allocator_may_return_null=0
export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
executions=0 findings=0
for reader in "${readers[@]}"; do
  corpus=$folder/corpus/$reader found=$folder/findings/$reader log=$folder/$reader.log
  mkdir -p "$corpus" "$found" "test/fuzz/corpus/$reader"
  # The fuzzer ends at its first finding; a seed that changes with the time makes it go elsewhere next.
  status=0
  LAMINA_FUZZ_SEEDS=$corpus "$folder/test/fuzz_$reader" "$corpus" "test/fuzz/corpus/$reader" \
    -max_total_time="$seconds" -max_len=8192 -timeout=10 -rss_limit_mb=2048 -malloc_limit_mb=128 \
    -print_final_stats=1 -artifact_prefix="$found/" >"$log" 2>&1 || status=$?
  done=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
  executions=$((executions + ${done:-0}))
  if [ "$status" != 0 ]; then
    findings=$((findings + 1))
    tail -n 40 "$log" >&2
  fi
  printf '%-12s %9s executions, %s files in its corpus%s\n' "$reader" "${done:-0}" \
    "$(find "$corpus" -type f | wc -l)" "$([ "$status" = 0 ] || echo ", FOUND SOMETHING: $log")"
done
echo "$executions executions, $findings findings"
[ "$findings" = 0 ]
