#!/usr/bin/env bash
# Trains a network on MNIST: installs what is missing, builds, fetches the data, runs
# build/examples/train_mnist with the arguments given here (--help lists them).
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
cd "$lamina_root"

install_packages
configure build --buildtype=release
ninja -C build example_programs >&2

# The program finds the data by itself in --data or in the cache; only fetching is left to do here.
data_given=no
for argument in "$@"; do
  case $argument in --data | --data=* | --help | -h) data_given=yes ;; esac
done
data=()
if [ "$data_given" = no ]; then
  status=0
  folder=$(scripts/fetch_mnist.sh) || status=$?
  if [ "$status" = 0 ]; then
    data=(--data "$folder")
  else
    say
    say "NOTICE: the real MNIST could not be fetched: training on synthetic digits instead."
    say "        The accuracy below is NOT that of MNIST. Give the four files with --data DIR."
    say
    data=(--data synthetic)
  fi
fi
exec build/examples/train_mnist "${data[@]}" "$@"
