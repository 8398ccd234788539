# Shared by the scripts of this folder; source it, do not run it.
# shellcheck shell=bash
# shellcheck disable=SC2034  # the scripts that source this use the names

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
VENV="$ROOT/.venv"
CACHE=${SECCOMP_SYNTH_CACHE:-/var/cache/seccomp-synth}
umask 022 # images and caches are read by others than root

log() { printf '== %s\n' "$*" >&2; }
die() {
	printf 'error: %s\n' "$*" >&2
	exit 3
}

require_root() {
	[ "$(id -u)" -eq 0 ] || die "this needs root: run it with sudo"
	command -v apt-get >/dev/null || die "this sets up Debian and Ubuntu machines only"
}

# Install what is missing of the packages named, without starting any service (a daemon that nobody
# asked for must not be left running) and without removing anything.
apt_install() {
	local missing=() package
	for package in "$@"; do
		dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' ||
			missing+=("$package")
	done
	[ ${#missing[@]} -gt 0 ] || return 0
	log "installing ${missing[*]}"
	(
		guard=/usr/sbin/policy-rc.d
		output=$(mktemp)
		trap 'rm -f "$output"' EXIT
		if [ ! -e $guard ]; then
			trap 'rm -f "$output" $guard' EXIT
			printf '#!/bin/sh\nexit 101\n' >$guard
			chmod +x $guard
		fi
		# A fresh machine may be updating itself: wait for the lock. An update fails if any source
		# does, also one that we do not need, so only the installation decides.
		options=(-qq -o DPkg::Lock::Timeout=300)
		apt-get "${options[@]}" update >"$output" 2>&1 || true
		DEBIAN_FRONTEND=noninteractive apt-get "${options[@]}" install -y --no-remove \
			--no-install-recommends "${missing[@]}" >>"$output" 2>&1 ||
			{
				tail -n 20 "$output" >&2
				die "apt-get could not install ${missing[*]}"
			}
	)
}

# Install what recording, the private engine and the image take, and the packages named.
install_packages() {
	local packages=(python3 python3-venv python3-bpfcc libbpf1 debootstrap debian-archive-keyring
		ca-certificates "$@")
	# Docker's own packages conflict with the distribution's: whoever has an engine keeps it.
	command -v dockerd >/dev/null || packages+=(docker.io iptables)
	# An engine on a kernel with AppArmor starts no container without the parser.
	[ "$(cat /sys/module/apparmor/parameters/enabled 2>/dev/null)" != Y ] || packages+=(apparmor)
	apt_install "${packages[@]}"
	command -v docker >/dev/null || apt_install docker-cli # newer releases have it apart
}

# What the tests take in addition: compilers and interpreters for known programs, an independent tracer,
# engine with both runtimes, two readers of manual pages.
TEST_PACKAGES=(gcc libc6-dev musl-tools golang-go nodejs strace git libseccomp2 shellcheck podman crun
	runc iproute2 groff-base mandoc)

# Make the virtual environment; `ensure_venv ''` for running, `ensure_venv '[dev]'` for testing.
# A stamp makes repeats instant; it names the folder too, since a copied environment runs the
# original's code.
ensure_venv() {
	local extra=$1 stamp wanted
	stamp="$VENV/.stamp$extra"
	wanted="$ROOT $(sha256sum <"$ROOT/pyproject.toml")"
	if "$VENV/bin/seccomp-synth" --version >/dev/null 2>&1 &&
		[ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then
		return 0
	fi
	log "making the virtual environment $VENV"
	# one whose python has gone is made anew
	"$VENV/bin/python" -m pip --version >/dev/null 2>&1 || /usr/bin/python3 -m venv --clear "$VENV"
	"$VENV/bin/python" -m pip install -q --disable-pip-version-check -e "$ROOT$extra" 2>/dev/null ||
		"$VENV/bin/python" -m pip install --disable-pip-version-check -e "$ROOT$extra" >&2 ||
		die "pip could not install the dependencies"
	printf '%s\n' "$wanted" >"$stamp"
}

# Print the URL of an engine of this host that answers, or nothing.
running_engine() {
	local url=${DOCKER_HOST:-unix:///var/run/docker.sock}
	case $url in unix://*) ;; *) return 0 ;; esac # containers elsewhere cannot be recorded
	if DOCKER_HOST=$url timeout 10 docker info >/dev/null 2>&1; then
		printf '%s\n' "$url"
	fi
}
