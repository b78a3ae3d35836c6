#!/usr/bin/env bash
# Measures lamina beside libtorch, TensorFlow and oneDNN: the same work, alternately, in one run,
# with the same thread binding; checks that all computed the same, and prints one table: lamina, the
# best peer (its best layout, its memory kept), ratio, share of what the machine can do. The first
# start downloads libtorch and TensorFlow (some 2 GB, into build-bench/) and builds all sides; what
# cannot be had is left out.
#   --filter REGEX   only cases whose name matches
#   --quick          two short rounds (TensorFlow: one) of the most telling cases: under 3 minutes
#   --json           an array of objects instead of the table
#   --compare        what has become slower than in bench/baseline.json, as ratios (or --compare FILE)
#   --write-baseline keeps the figures of this run there; bench/chart.py draws them
#   --accuracy       instead of all that: seconds of training to 98.0, 99.0 and 99.3 % on the real MNIST
#                    (--seeds 3, --data FOLDER, --steps N of every epoch to try it out)
#   --rounds N, --seconds S, --threads 1,2
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

for argument in "$@"; do
  case $argument in --help | -h) sed -n '2,/^source/{/^#/s/^# \{0,1\}//p}' "$0"; exit 0 ;; esac
done

# The caller's files are meant from where the script was called.
arguments=(--relative-to "$PWD" "$@")
cd "$lamina_root"
# Before minutes of installing and building; without Python it must wait.
if command -v python3 >/dev/null; then python3 bench/compare.py --check-arguments "${arguments[@]}"; fi

torch_package=torch==2.13.0
tensorflow_packages=(tensorflow-cpu==2.21.0 tf-keras==2.21.0)
folder=build-bench

# Optional elsewhere, needed here.
need_package() {
  if "${@:2}" >/dev/null 2>&1; then return 0; fi
  say "installing $1"
  apt_install "$1" || { say "needed for the benchmarks: $1 (name of Debian 12)"; return 1; }
}

notice() {
  say
  say "NOTICE: $*"
  say
}

# environment NAME PACKAGES...: a Python environment below the folder with these packages.
environment() {
  local place=$folder/$1
  shift
  need_package python3-venv python3 -c 'import ensurepip, venv' || return 1
  if ! [ -e "$place/installed-$1" ]; then
    say "installing $* into $place (takes minutes)"
    rm -rf "$place"
    python3 -m venv "$place" >&2 || return 1
    "$place/bin/python" -m pip install --quiet "$1" >&2 || return 1
    # tf-keras asks for another build of the package that is there already.
    if [ $# -gt 1 ]; then "$place/bin/python" -m pip install --quiet --no-deps "${@:2}" >&2 || return 1; fi
    touch "$place/installed-$1"
  fi
}

# Prints the folder with libtorch's headers and libraries, or fails.
libtorch_folder() {
  environment venv "$torch_package" || return 1
  # The program's C++ library is of the new kind: another libtorch could not be linked with it.
  "$folder/venv/bin/python" -W ignore -c 'import os, torch
assert torch._C._GLIBCXX_USE_CXX11_ABI, "libtorch was built for the old C++ ABI"
print(os.path.dirname(torch.__file__))'
}

# option NAME VALUE: gives an option of the build that value, where it has another.
option() {
  if ! grep -qF "\"name\": \"$1\", \"value\": $2," "$folder/lamina/meson-info/intro-buildoptions.json"; then
    meson configure "$folder/lamina" "-D$1=$(tr -d '"' <<<"$2")" >&2
  fi
}

install_packages
need_package libbenchmark-dev pkg-config --exists benchmark
configure "$folder/lamina" --buildtype=release -Dbench=true -Dtests=false -Dexamples=false
programs=(--lamina "$folder/lamina/bench/lamina_bench" --build "$folder/lamina")
if libtorch=$(libtorch_folder); then
  programs+=(--peer "libtorch=$folder/lamina/bench/peers/libtorch_bench")
else
  libtorch=
  notice "libtorch could not be installed: lamina is measured without it."
fi
option libtorch "\"$libtorch\""
if need_package libdnnl-dev "${CXX:-c++}" -fsyntax-only -include dnnl.hpp -x c++ /dev/null; then
  programs+=(--peer "onednn=$folder/lamina/bench/peers/onednn_bench")
  option onednn true
else
  option onednn false
  notice "oneDNN could not be installed: lamina is measured without it."
fi
if environment venv-tensorflow "${tensorflow_packages[@]}"; then
  programs+=(--peer "tensorflow=$folder/venv-tensorflow/bin/python bench/peers/tensorflow_bench.py")
else
  notice "TensorFlow could not be installed: lamina is measured without it."
fi
ninja -C "$folder/lamina" >&2
exec python3 bench/compare.py "${programs[@]}" "${arguments[@]}"
