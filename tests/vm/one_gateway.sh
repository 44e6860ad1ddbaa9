# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# What jobs share that have one gateway in the machine `gateway`, and devices that ask it. The job says of itself when its gwd
# is ready (gwd_answers), which addresses its devices have (device FAMILY OF), and which its LOOPBACK has.

# shellcheck source=tests/vm/job.sh
source "$(dirname "${BASH_SOURCE[0]}")/job.sh"

# ---- gwd ------------------------------------------------------------------------------------------------------------------

gwctl() {
	on gateway "$BUILD/gwctl" "$@"
}

gwd_start() {
	# shellcheck disable=SC2016
	on gateway sh -c 'setsid "$1" -c /run/lab/gateway.yaml >>/run/lab/gwd.log 2>&1 & echo $! >/run/lab/gwd.pid' \
		sh "$BUILD/gwd" </dev/null
	within 20 gwd_answers || fail "gwd does not come up: $(tail -n 5 "$LAB/gateway/lab/gwd.log")"
}

gwd_gone() {
	! on gateway kill -0 "$(cat "$LAB/gateway/lab/gwd.pid")"
}

gwd_killed_and_started() {
	on gateway kill -KILL "$(cat "$LAB/gateway/lab/gwd.pid")"
	within 10 gwd_gone
	gwd_start
}

# ---- Pings ----------------------------------------------------------------------------------------------------------------

# Those of a device in a machine while COMMAND runs, which behind it go on.
pings_go_on() { # MACHINE OF COMMAND…
	local family last
	for family in 4 6; do
		background "$1" "$LAB/pings$family" ping -n -i 0.05 -I "$(device $family "$2")" "${LOOPBACK[$family]}"
		within 5 grep -q icmp_seq=3 "$LAB/pings$family" || fail "no ping is answered (v$family)"
	done
	"${@:3}"
	for family in 4 6; do
		last=$(grep -o 'icmp_seq=[0-9]*' "$LAB/pings$family" | tail -n 1)
		within 5 grep -q "icmp_seq=$((${last#*=} + 3))" "$LAB/pings$family" || fail "pings (v$family) end with $last"
	done
	background_end
}

lost() { # of the pings, in both families
	cat <(unanswered "$LAB/pings4") <(unanswered "$LAB/pings6") | wc -l
}

lost_words() {
	echo "v4: $(unanswered "$LAB/pings4" | paste -sd' '), v6: $(unanswered "$LAB/pings6" | paste -sd' ')"
}

loses_nothing() { # MACHINE OF COMMAND…
	pings_go_on "$@"
	[ "$(lost)" = 0 ] || fail "pings were lost ($(lost_words))"
}
