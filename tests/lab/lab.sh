# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# The whole lab: up, ready, down. Sourced by `lab`, `run`, `demo` and `measure`.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
BUILD=$(cd "$ROOT" && realpath -m "${B:-build}") # B as for make
# shellcheck source-path=SCRIPTDIR
{
	source "$ROOT/tests/lab/machine.sh"
	source "$ROOT/tests/lab/topology.sh"
	source "$ROOT/tests/lab/provider.sh"
	source "$ROOT/tests/lab/strongswan.sh"
	source "$ROOT/tests/lab/gateway.sh"
}

say() { :; } # progress; the demo makes it speak

lab_picture() {
	sed -n '/^#  *a service provider/,/^#  *one address/s/^# \{0,1\}//p' "$ROOT/tests/lab/topology.sh"
}

# A lab stands as long as anyone of it lives: who claims its folder and, by inheritance, its machines hold it locked. What
# is in a folder that nobody holds is left of a lab that was cut off with all its machines.
lab_claim() {
	local program
	[ "$(id -u)" = 0 ] || die "the lab needs root: sudo make demo, sudo make lab-up"
	for program in "$GWD" "$GWCTL"; do
		[ -x "$program" ] || die "there is no $program: run make"
	done
	lab_stands && die "a lab stands already in $LAB; tests/lab/lab down ends it"
	topology_down
	mkdir -p "$LAB"
	exec {LAB_HELD}<"$LAB"
	flock -n "$LAB_HELD" || die "someone else sets up a lab in $LAB"
	[ -z "$(ls -A "$LAB")" ] || die "$LAB is no lab's folder: LAB=… names another"
	chmod 755 "$LAB"
	touch "$LAB/.lab"
}

lab_up() { # [ATTACH]: the claimed lab, until requests go through
	local edge machine jobs=()
	say "${#MACHINES[@]} machines and their links"
	topology_up
	for machine in "${MACHINES[@]}"; do
		case $machine in *-gw-*) wireguard_keys "$machine" ;; esac
	done
	say "the provider: WireGuard, zebra, bfdd, bgpd"
	provider_up
	say "gwd on the edge gateways"
	array_key_make
	for edge in "${EDGES[@]}"; do # at once: the verifier takes the most of it
		gateway_start "$edge" "${1:-auto}" &
		jobs+=($!)
	done
	wait_all "${jobs[@]}" || exit 1
	say "waiting for BGP and BFD"
	lab_wait
	rm -f "$LAB/disturbed" # by those who made it
}

lab_wait() { # for all tunnels, at both ends
	within 40 lab_ready || {
		lab_state >&2
		die "the lab does not converge"
	}
}

lab_wait_edges() { # for the edges' ends alone, which is quickly asked
	within 40 edges_ready || die "a tunnel that nobody cut is not usable"
}

# jq -en 'input | …': with -e alone jq 1.6 is content with no input, as when gwd cannot be reached.
lab_ready() {
	local lgw
	edges_ready || return
	for lgw in "${LOCALS[@]}"; do
		local_ready "$lgw" || return
	done
	routes_ready
}

edges_ready() {
	local edge
	for edge in "${EDGES[@]}"; do
		edge_ready "$edge" || return
	done
}

edge_ready() { # EDGE: both tunnels to the provider usable
	gwctl "edge-gw-0$1" -j tunnel list | jq -en 'input | [.tunnels[] | select(.provider == "acme" and .usable)] | length == 2'
}

local_ready() { # LOCAL
	"local_ready_$PROVIDER" "$1"
}

local_ready_homeward() { # LOCAL: all its tunnels and the router, by BGP and BFD
	gwctl "local-gw-0$1" -j bgp list | jq -en --argjson edges ${#EDGES[@]} \
		'input | [.sessions[] | select(.bgp == "up" and .bfd == "up")] | length == $edges + 1'
}

local_ready_frr() { # LOCAL: it hears all edges, in both families, and BFD watches them
	frr "local-gw-0$1" "show bgp ipv4 unicast ${LOOPBACK[4]}/32 json" "show bgp ipv6 unicast ${LOOPBACK[6]}/128 json" |
		jq -es --argjson edges ${#EDGES[@]} \
			'[.[] | [.paths[] | select(.valid and .aspath.string == "64500")] | length] == [$edges, $edges]' &&
		frr "local-gw-0$1" "show bfd peers json" |
		jq -en --argjson edges ${#EDGES[@]} 'input | [.[] | select(.status == "up")] | length == $edges + 1'
}

routes_ready() { # the kernels agree with BGP
	local machine family
	local machines=(ixp-router:local-gw-01 local-gw-01:edge-gw-01 local-gw-02:edge-gw-02)
	[ "$PROVIDER" = frr ] || machines=(ixp-router:local-gw-01) # from tunnels of ours nothing enters the kernel
	for family in 4 6; do
		for machine in "${machines[@]}"; do
			route_leads "${machine%:*}" $family "${machine#*:}" || return
		done
	done
}

# The kernel's word, not FRR's: the loopback's route of a machine leads out of an interface.
route_leads() { # MACHINE FAMILY INTERFACE
	on "$1" ip "-$2" -j route show "${LOOPBACK[$2]}" | jq -en --arg dev "$3" 'input | [.[].dev] == [$dev]'
}

lab_state() { # what a person wants to see when something is wrong
	local edge lgw
	for lgw in "${LOCALS[@]}"; do
		echo "--- local-gw-0$lgw"
		if [ "$PROVIDER" = frr ]; then
			frr "local-gw-0$lgw" "show bgp summary" "show bfd peers brief"
		else
			gwctl "local-gw-0$lgw" status
			gwctl "local-gw-0$lgw" bgp list
			tail -n 20 "$LAB/local-gw-0$lgw/lab/gwd.log"
		fi
		on "local-gw-0$lgw" wg show all latest-handshakes
	done
	for edge in "${EDGES[@]}"; do
		echo "--- edge-gw-0$edge"
		gwctl "edge-gw-0$edge" status
		tail -n 20 "$LAB/edge-gw-0$edge/lab/gwd.log"
	done
}
