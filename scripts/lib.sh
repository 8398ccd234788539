# Shared by the scripts of this folder; source it, do not run it.
# shellcheck shell=bash

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
VENV="$ROOT/.venv"
CACHE=${SECCOMP_SYNTH_CACHE:-/var/cache/seccomp-synth}

log() { printf '== %s\n' "$*" >&2; }
die() { printf 'error: %s\n' "$*" >&2; exit 3; }

require_root() {
	[ "$(id -u)" -eq 0 ] || die "this needs root: run it with sudo"
	command -v apt-get >/dev/null || die "this sets up Debian and Ubuntu machines only"
}

# Install what is missing of the packages named, without starting any service: a daemon that
# nobody asked for must not be left running.
apt_install() {
	local missing=() package guard=/usr/sbin/policy-rc.d made=
	for package in "$@"; do
		dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' ||
			missing+=("$package")
	done
	[ ${#missing[@]} -gt 0 ] || return 0
	log "installing ${missing[*]}"
	if [ ! -e $guard ]; then
		printf '#!/bin/sh\nexit 101\n' >$guard
		chmod +x $guard
		made=1
	fi
	local status=0
	{
		apt-get update -qq &&
			DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
				"${missing[@]}"
	} >/tmp/seccomp-synth-apt.$$ 2>&1 || status=$?
	[ -z "$made" ] || rm -f $guard
	if [ $status -ne 0 ]; then
		tail -n 20 /tmp/seccomp-synth-apt.$$ >&2
		rm -f /tmp/seccomp-synth-apt.$$
		die "apt-get could not install ${missing[*]}"
	fi
	rm -f /tmp/seccomp-synth-apt.$$
}

# What recording, the private engine and the image take.
RUN_PACKAGES=(python3 python3-venv python3-bpfcc libbpf1 docker.io iptables debootstrap
	debian-archive-keyring ca-certificates)
# What the tests take in addition: a compiler for known programs, an independent tracer.
TEST_PACKAGES=(gcc libc6-dev strace git libseccomp2)

# Make the virtual environment; `ensure_venv '' ` for running, `ensure_venv '[dev]'` for testing.
# A stamp of pyproject.toml makes repeats instant.
ensure_venv() {
	local extra=$1 stamp wanted
	stamp="$VENV/.stamp$extra"
	wanted=$(sha256sum <"$ROOT/pyproject.toml")
	if "$VENV/bin/seccomp-synth" --version >/dev/null 2>&1 && [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then
		return 0
	fi
	log "making the virtual environment $VENV"
	# one that was copied or whose python has gone is made anew
	"$VENV/bin/python" -m pip --version >/dev/null 2>&1 || /usr/bin/python3 -m venv --clear "$VENV"
	"$VENV/bin/python" -m pip install -q --disable-pip-version-check -e "$ROOT$extra" 2>/dev/null ||
		"$VENV/bin/python" -m pip install --disable-pip-version-check -e "$ROOT$extra" >&2 ||
		die "pip could not install the dependencies"
	printf '%s\n' "$wanted" >"$stamp"
}

# Print the URL of an engine of this host that answers, or nothing.
running_engine() {
	local url=${DOCKER_HOST:-unix:///var/run/docker.sock}
	command -v docker >/dev/null || return 0
	if DOCKER_HOST=$url timeout 10 docker info >/dev/null 2>&1; then
		printf '%s\n' "$url"
	fi
}
