# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# A machine in one process. `unshare` gives it a network, mounts, a host name and a process tree of its own, with its own
# /run and bpffs, so that WireGuard's, BIRD's and FRR's sockets never meet. SIGKILL of it is a power-off: the kernel takes
# everything in it along, and nothing is left behind.
#
# What a lab keeps lives under $LAB: a folder a machine (the machine's /run, so that its logs can be read from outside)
# and NAME.pid (what to kill) and NAME.init (where to enter) beside it. Two labs with two values of LAB never meet.

LAB=${LAB:-/run/homeward-lab}
PATIENCE=${PATIENCE:-1} # whatever waits waits so many times as long: more where the processor is computed (tests/vm)

printf -v MOMENT %d.%02d $((PATIENCE / 20)) $((5 * PATIENCE % 100)) # seconds between two looks, which take as much longer
exec {NEVER}<> <(:) # nothing ever comes from there: who waits for it needs no process to sleep in

die() {
	echo "$*" >&2
	exit 1
}

# Runs a command until it succeeds, at most SECONDS (times PATIENCE) long. Whoever waits for a condition waits here.
within() { # SECONDS COMMAND…
	local deadline=$((SECONDS + $1 * PATIENCE))
	shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $deadline ] || return 1
		read -rt "$MOMENT" -u "$NEVER" || true
	done
}

wait_all() { # JOB…: 1 when one of them failed
	local job status=0
	for job; do
		wait "$job" || status=1
	done
	return $status
}

disturb() { # what follows cannot be undone by the way: scenario_reset looks here
	touch "$LAB/disturbed"
}

machine_start() { # NAME
	local outer
	disturb
	mkdir -p "$LAB/$1/lab"
	# shellcheck disable=SC2016 # expanded in there
	setsid unshare -n -m -u -p -f --kill-child --mount-proc bash -c '
		echo "$1" >/proc/sys/kernel/hostname
		mount -t sysfs sysfs /sys
		mount -t bpf bpf /sys/fs/bpf
		mount --bind "$2/$1" /run
		echo 0 >/proc/sys/net/ipv6/conf/all/accept_dad
		echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad
		ip link set lo up
		: >/run/lab/booted
		while :; do sleep 3600 & wait $!; done # an init: it also buries the orphans
	' bash "$1" "$LAB" </dev/null >"$LAB/$1/lab/boot.log" 2>&1 &
	outer=$!
	disown
	echo $outer >"$LAB/$1.pid"
	within 10 test -e "$LAB/$1/lab/booted" || die "the machine $1 does not boot: $(cat "$LAB/$1/lab/boot.log")"
	tr -d ' ' <"/proc/$outer/task/$outer/children" >"$LAB/$1.init"
}

machine_init() { # NAME: the process id of its init, as this side sees it
	cat "$LAB/$1.init"
}

machine_off() { # NAME: the plug is pulled
	local outer
	outer=$(<"$LAB/$1.pid") || return
	disturb
	machine_end "$(<"$LAB/$1.init")" "$outer" || die "the machine $1 does not die"
	rm -rf "${LAB:?}/$1" "$LAB/$1.pid" "$LAB/$1.init"
}

machine_end() { # INIT OUTER
	local network
	if ! { exec {network}<"/proc/$1/ns/net"; } 2>/dev/null; then # it was never there, or is dead, and its links went along
		kill -KILL "$2" 2>/dev/null || true
		return
	fi
	machine_links "$network" "set \1 down" # first: no closing FIN gets out
	# An init takes along whoever lives under it: the kernel sees to that, and only then is it a zombie itself.
	kill -KILL "$1" "$2" 2>/dev/null || true
	within 20 process_dead "$1" || return
	# TCP sockets that linger would keep them; and before, processes may.
	machine_links "$network" "del \1"
	exec {network}<&-
}

# home0 goes with its other end, so one of the two is not found: hence -force.
machine_links() { # NETWORK WORDS of `ip link`, for each veth (\1): the network by a file that is open
	# shellcheck disable=SC2016 # expanded in there
	nsenter --net="/proc/self/fd/$1" sh -c 'ip -o link show type veth | sed "s/^[0-9]*: \([^@]*\)@.*/link $1/" |
		ip -force -batch - 2>/dev/null' sh "$2" || true
}

process_dead() { # PID: gone, or a zombie that nobody has buried yet
	[ ! -e "/proc/$1" ] || grep -qs '^State:.*[ZX] (' "/proc/$1/status"
}

on() { # NAME COMMAND…: runs it in the machine
	local init
	init=$(<"$LAB/$1.init") || die "there is no machine $1"
	shift
	nsenter -t "$init" -n -m -u -p -- "$@"
}

# Runs a command in the machine beside what follows, until background_end. (A killed nsenter would leave it running.) That it
# ends so is no error of whoever traps them.
background() { # MACHINE OUTPUT COMMAND…
	{
		trap - ERR
		# shellcheck disable=SC2016
		on "$1" sh -c 'touch /run/lab/background.$$; exec "$@"' sh "${@:3}" </dev/null >"$2" 2>>"$LAB/background.log"
	} &
	disown
}

background_end() {
	local file
	for file in "$LAB"/*/lab/background.*; do
		[ -e "$file" ] || continue
		on "$(basename "${file%/lab/*}")" kill "${file##*.}" 2>/dev/null || true
		rm -f "$file"
	done
}

unanswered() { # FILE of what a ping says: the numbers that got no answer, in whatever order the others got theirs
	awk -F icmp_seq= 'NF > 1 { number = $2 + 0; if (number > last) last = number; if (/ bytes from /) heard[number] }
		END { for (number = 1; number <= last; number++) if (!(number in heard)) print number }' "$1"
}

machines() { # their names
	local file
	for file in "$LAB"/*.pid; do
		[ -e "$file" ] && basename "$file" .pid
	done
}

# A veth link between two machines; "-" for no address, "br0" in the place of one to be a port of that bridge. Checksums
# are computed on these links: a partial one would not survive the encapsulation further on.
plug() { # MACHINE INTERFACE IPV4 IPV6  MACHINE INTERFACE IPV4 IPV6
	ip link add name "$2" netns "$(machine_init "$1")" type veth peer name "$6" netns "$(machine_init "$5")" || return
	plug_end "$1" "$2" "$3" "$4"
	plug_end "$5" "$6" "$7" "$8"
}

plug_end() { # MACHINE INTERFACE IPV4 IPV6
	on "$1" ethtool -K "$2" tx off >/dev/null || return
	{
		case $3 in -) ;; br0) echo "link set $2 master br0" ;; *) echo "addr add $3 dev $2" ;; esac
		[ "$4" = - ] || echo "addr add $4 dev $2"
		echo "link set $2 up"
	} | on "$1" ip -batch -
}
