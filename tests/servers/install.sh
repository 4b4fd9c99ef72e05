#!/bin/sh
# Installs the servers and clients of the distribution (Debian, Ubuntu) that the tests run
# against, where they are missing: docker-registry and skopeo. The others are Python packages, of
# the extras `test` and `bench` in pyproject.toml.
set -eu

missing=
for program in docker-registry skopeo; do
    command -v "$program" >/dev/null 2>&1 || missing="$missing $program"
done
if [ -z "$missing" ]; then
    echo "docker-registry and skopeo are installed"
    exit 0
fi

if ! command -v apt-get >/dev/null 2>&1; then
    echo "missing:$missing. There is no apt-get here: install them by hand, into PATH" >&2
    exit 1
fi
if [ "$(id -u)" -ne 0 ]; then
    if command -v sudo >/dev/null 2>&1; then
        exec sudo -- sh "$0" "$@"
    fi
    echo "missing:$missing. Run as root: apt-get install$missing" >&2
    exit 1
fi

# Debian starts the service of a package when it is installed. The tests start their own
# registries, so for the time of this script the policy is: start nothing.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi

export DEBIAN_FRONTEND=noninteractive
install() {
    # shellcheck disable=SC2086 # several names, to be split
    apt-get install --yes --quiet --no-install-recommends $missing
}
# The lists of packages may be absent or out of date: fetched only if it does not go without.
install || { apt-get update --quiet && install; } || {
    echo "missing:$missing. apt-get could not install them" >&2
    exit 1
}
