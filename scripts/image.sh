# How images are made without a registry: from one debootstrap, kept as an archive in the cache folder.
# Shared by the scripts that make them; source it after lib.sh.
# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154  # "tree" is the caller's, "base" used by it

suite=bookworm
base="$CACHE/base-$suite.tar"

in_tree() {
	chroot "$tree" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C HOME=/root \
		DEBIAN_FRONTEND=noninteractive ${http_proxy:+"http_proxy=$http_proxy"} "$@"
}

quietly() { # run a step of the build; $1 says what went wrong if it fails
	"${@:2}" >"$tree.log" 2>&1 || {
		tail -n 20 "$tree.log" >&2
		die "$1"
	}
}

pack() { # into a file that is either whole or not there
	tar -C "$tree" --numeric-owner --one-file-system -cf "$1.part" . && mv "$1.part" "$1"
}

# Fill "$tree" with the minimal system and make it ready for apt-get.
unpack_base() {
	if [ -f "$base" ]; then
		tar -C "$tree" --numeric-owner -xf "$base"
	else
		quietly "debootstrap failed" \
			debootstrap --variant=minbase "$suite" "$tree" http://deb.debian.org/debian
		rm -rf "$tree"/var/cache/apt/archives/*.deb
		pack "$base"
	fi
	cp /etc/resolv.conf "$tree/etc/resolv.conf"
	printf '#!/bin/sh\nexit 101\n' >"$tree/usr/sbin/policy-rc.d"
	chmod +x "$tree/usr/sbin/policy-rc.d"
	# the lists in a base that was kept name packages that may be gone
	quietly "the package lists of the image cannot be fetched" in_tree apt-get update -qq
}

clean_tree() {
	rm -rf "$tree"/var/cache/apt/archives/*.deb "$tree"/var/lib/apt/lists/*
}

lock_images() { # one build at a time
	mkdir -p "$CACHE"
	exec 9>"$CACHE/.lock"
	flock 9
}

# Call the build "$@" with a new tree as its last argument. debootstrap mounts /proc: in a mount
# namespace, so that an interrupted one leaves no mount behind.
in_new_tree() {
	rm -rf --one-file-system "$CACHE"/tree.*
	tree=$(mktemp -d "$CACHE/tree.XXXXXX")
	chmod 755 "$tree" # it becomes the root folder of the image
	trap 'rm -rf --one-file-system "$tree" "$tree.log"' EXIT
	unshare --mount "$@" "$tree" 9>&-
	find "$CACHE" -maxdepth 1 -name '*.tar' -mtime +30 -delete
	rm -rf --one-file-system "$tree" "$tree.log"
	trap - EXIT
}

# An image carries the digest of its archive as a label; another one of that name is replaced.
import_image() {
	local name=$1 archive=$2 wanted=$3 old
	shift 3
	old=$(docker image inspect -f '{{.Id}} {{index .Config.Labels "archive"}}' "$name" 2>/dev/null || true)
	[ "${old#* }" != "$wanted" ] || return 0
	log "importing $name"
	docker import "$@" --change "LABEL archive=$wanted" "$archive" "$name" >/dev/null
	if [ -n "$old" ]; then
		docker image rm "${old%% *}" >/dev/null 2>&1 || true # in use by a container: leave it
	else
		printf '%s\n' "$name"
	fi
}
