# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# What jobs share that have gateways in machines of their own (tests/lab/machine.sh), few ones, since each process costs a
# tenth of a second here. Their scenarios stand on each other: the first that fails ends the job, and says what is known.

export LAB=/run/lab
# shellcheck source=tests/lab/machine.sh
source "$(dirname "${BASH_SOURCE[0]}")/../lab/machine.sh"
BUILD=$(realpath -m "${B:-build}")
JOB=$(basename "$0")

bracketed() { # ADDRESS: as socat wants it
	case $1 in *:*) echo "[$1]" ;; *) echo "$1" ;; esac
}

# ---- Scenarios: functions in shells of their own, under set -e --------------------------------------------------------------

fail() {
	echo "$*" >"$LAB/why"
	exit 1
}

scenario() { # WORDS COMMAND…
	local words=$1 status started=$SECONDS
	shift
	rm -f "$LAB/why"
	(set -eE -o pipefail && "$@") >"$LAB/said" 2>&1
	status=$?
	if [ $status = 0 ]; then
		echo "PASS $JOB: $words ($((SECONDS - started)) s)"
		return
	fi
	echo "FAIL $JOB: $words: $(cat "$LAB/why" 2>/dev/null || tail -n 1 "$LAB/said") ($((SECONDS - started)) s)"
	is_known 2>&1 | sed 's/^/    /'
	exit 1
}

is_known() {
	local log
	tail -n 10 "$LAB/said"
	for log in "$LAB"/*/lab/gwd.log; do
		[ ! -e "$log" ] || (gateway_is_known "$(basename "${log%/lab/gwd.log}")")
	done
	echo "the kernel:" && dmesg | tail -n 10
}

gateway_is_known() { # MACHINE: what its gwd has said and counted, what runs there, and where in the kernel gwd is
	echo "$1:" && grep '^<[0-4]>' "$LAB/$1/lab/gwd.log" | tail -n 5
	tail -n 10 "$LAB/$1/lab/gwd.log"
	on "$1" ps -eo pid,stat,wchan:24,time,args
	# shellcheck disable=SC2016
	on "$1" sh -c 'for pid in $(pgrep -x gwd); do grep . /proc/$pid/stack; done; ethtool -S eth0 | grep xdp'
	on "$1" "$BUILD/gwctl" -j stats | jq -c '.. | objects | select(.packets? > 0)'
}

# ---- The end ------------------------------------------------------------------------------------------------------------------

topology_down() {
	local machine
	for machine in $(machines); do
		machine_off "$machine"
	done
}
trap topology_down EXIT
