#!/usr/bin/env bash
# What every other script starts with: installs the packages of scripts/packages.txt that are missing
# (Debian, as root or with sudo; elsewhere it says which ones are needed and goes on), and configures
# build folders. Run it alone to prepare a machine, or source it for its functions.
set -euo pipefail

lamina_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

say() { printf '%s\n' "$*" >&2; }

# Names in packages.txt: "required" or "optional" ones.
listed_packages() {
  awk -v kind="$1" '!/^#/ && NF { is = ($2 == "optional") ? "optional" : "required"
                                  if (is == kind) print $1 }' "$lamina_root/scripts/packages.txt"
}

missing_packages() {
  local installed
  installed=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' $(listed_packages "$1") \
    2>/dev/null | awk '$2 == "installed" { print $1 }' || true)
  comm -23 <(listed_packages "$1" | sort) <(sort <<<"$installed")
}

# Runs a command as root, or fails where that is not possible.
as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; elif command -v sudo >/dev/null; then sudo "$@"; else return 1; fi
}

# apt-get without its pages of progress, unless it fails.
quiet_apt() {
  local log status=0
  log=$(mktemp)
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq "$@" </dev/null >"$log" 2>&1 || status=$?
  [ "$status" = 0 ] || cat "$log" >&2
  rm -f "$log"
  return "$status"
}

apt_install() { quiet_apt install -y --no-install-recommends "$@"; }

tools_present() {
  local tool
  for tool in meson ninja pkg-config; do command -v "$tool" >/dev/null || return 1; done
  command -v "${CXX:-c++}" >/dev/null
}

# Without the tools nothing can go on; a missing library is named by meson when it configures.
go_on_or_stop() {
  say "$1"
  say "needed: $(listed_packages required | tr '\n' ' ')(names of Debian 12)"
  tools_present || { say "meson, ninja, pkg-config or a C++ compiler is missing"; exit 1; }
}

install_packages() {
  if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    tools_present || go_on_or_stop "This is no Debian: install what corresponds to these packages."
    return 0
  fi
  local required optional
  required=$(missing_packages required)
  optional=$(missing_packages optional)
  # Optional packages alone are no reason to ask for a password or for the network.
  [ -n "$required" ] || return 0
  # Asks for the password, where there is one to ask, before the output goes into a file.
  if ! as_root true; then
    go_on_or_stop "Not root and no sudo: cannot install $(tr '\n' ' ' <<<"$required")"
    return 0
  fi
  say "installing (this may take minutes):" $required $optional
  quiet_apt update || say "apt-get update failed; trying with what it knows"
  apt_install $required || go_on_or_stop "apt-get could not install everything."
  local package
  for package in $optional; do apt_install "$package" || say "went on without $package"; done
}

# configure FOLDER [meson options]: a build folder of this source tree. One that belongs to another
# place (a copied tree) or was interrupted is made anew.
configure() {
  local folder=$1
  shift
  if [ -f "$folder/build.ninja" ] && [ "$(readlink "$folder/include/lamina")" = "$lamina_root" ]; then
    return 0
  fi
  rm -rf "$folder"
  meson setup "$folder" "$lamina_root" "$@" >&2
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
  install_packages
  say "ready"
fi
