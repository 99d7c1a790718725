#!/usr/bin/env bash
# Installs what tests/hosts needs to make real hosts, where it may (root, apt), else says what is left out.
# Quick, and without network, when everything is there. Never fails: what is missing is skipped with its reason.
set -euo pipefail

say() { printf 'needs: %s\n' "$*"; }

packages=(debootstrap dnsmasq-base e2fsprogs iproute2 nftables openssh-client systemd-container)

# One by one: of several names, `command -v` is content with any.
present() {
    local program
    for program in debootstrap dnsmasq ip mkfs.ext4 nft nsenter ssh ssh-keygen systemd-nspawn; do
        command -v "$program" >/dev/null || return
    done
}

apt_install() {
    export DEBIAN_FRONTEND=noninteractive
    local options=(--yes --no-install-recommends -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-confold)
    apt-get "${options[@]}" install "$@" >/dev/null 2>&1 && return
    apt-get update >/dev/null 2>&1 && apt-get "${options[@]}" install "$@" >/dev/null
}

if [[ $EUID -ne 0 ]]; then
    say "real hosts need root: the deployment tests are left out"
elif present; then
    exit 0
elif ! command -v apt-get >/dev/null; then
    say "real hosts need Debian's apt: the deployment tests are left out"
else
    say "installing what makes real hosts (${packages[*]}) …"
    apt_install "${packages[@]}" || say "they could not be installed: the deployment tests are left out"
fi
