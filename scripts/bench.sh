#!/usr/bin/env bash
# Measures lamina beside libtorch: the same work, alternately, in one run, with the same thread binding;
# checks that both computed the same, and prints one table. The first start downloads libtorch (some
# 700 MB, into build-bench/) and builds both sides; without network lamina is measured alone.
#   --filter REGEX   only cases whose name matches
#   --quick          two short rounds, without the single layers of the network
#   --json           an array of objects instead of the table
#   --rounds N, --seconds S, --threads 1,2
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
cd "$lamina_root"

for argument in "$@"; do
  case $argument in --help | -h) sed -n '2,/^source/{/^#/s/^# \{0,1\}//p}' "$0"; exit 0 ;; esac
done

torch_package=torch==2.13.0
folder=build-bench
python=$folder/venv/bin/python

# Optional elsewhere, needed here.
need_package() {
  if "${@:2}" >/dev/null 2>&1; then return 0; fi
  say "installing $1"
  apt_install "$1" || { say "needed for the benchmarks: $1 (name of Debian 12)"; return 1; }
}

# Prints the folder with libtorch's headers and libraries, or fails.
libtorch_folder() {
  need_package python3-venv python3 -c 'import ensurepip, venv' || return 1
  if ! [ -e "$folder/venv/installed-$torch_package" ]; then
    say "installing $torch_package into $folder/venv (takes minutes)"
    rm -rf "$folder/venv"
    python3 -m venv "$folder/venv" >&2 || return 1
    "$python" -m pip install --quiet "$torch_package" >&2 || return 1
    touch "$folder/venv/installed-$torch_package"
  fi
  # The program's C++ library is of the new kind: another libtorch could not be linked with it.
  "$python" -W ignore -c 'import os, torch
assert torch._C._GLIBCXX_USE_CXX11_ABI, "libtorch was built for the old C++ ABI"
print(os.path.dirname(torch.__file__))'
}

install_packages
need_package libbenchmark-dev pkg-config --exists benchmark
programs=(--lamina "$folder/lamina/bench/lamina_bench")
if libtorch=$(libtorch_folder); then
  programs+=(--libtorch "$folder/lamina/bench/peers/libtorch_bench")
else
  libtorch=
  say
  say "NOTICE: libtorch could not be installed: lamina is measured alone."
  say
fi
configure "$folder/lamina" --buildtype=release -Dbench=true -Dtests=false -Dexamples=false
if ! grep -qF "\"name\": \"libtorch\", \"value\": \"$libtorch\"," \
  "$folder/lamina/meson-info/intro-buildoptions.json"; then
  meson setup --reconfigure "$folder/lamina" "-Dlibtorch=$libtorch" >&2
fi
ninja -C "$folder/lamina" >&2
exec python3 bench/compare.py "${programs[@]}" "$@"
