# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# The lab is the picture of docs/design.md with real daemons:
#
#          a service provider's network                       │                  the platform
#              FRR and plain WireGuard                        │               gwd, BIRD, nginx
#                                                          internet
#                         ┌─ local-gw-01 ═╦═ edge-gw-01 ══════╪══════ acme-lgw-01 ═╦═ edge-gw-01 ── eth0 ─┐
#                         │               ╚═ edge-gw-02 ═══╲  │  ╱═══ acme-lgw-02 ═╝                      │
#  device ── ixp-router ──┤                                 ╲ │ ╱                                       inside
#                         │                                 ╱ │ ╲                                         │
#                         │               ╔═ edge-gw-01 ═══╱  │  ╲═══ acme-lgw-01 ═╗                      │
#                         └─ local-gw-02 ═╩═ edge-gw-02 ══════╪══════ acme-lgw-02 ═╩═ edge-gw-02 ── eth0 ─┘
#
#        one address: both edge gateways own the loopback 192.0.2.1 + 2001:db8::1 and announce it by BGP
#
# Four tunnels: from each edge gateway one to each local gateway, all of the provider acme. An end's interface is
# named for the machine at the other end. The ixp-router prefers local-gw-01, local-gw-01 prefers edge-gw-01 and
# local-gw-02 edge-gw-02 (LOCAL_PREF, in provider.sh): so requests go by local-gw-01 and edge-gw-01, and when the path
# through local-gw-01 dies they go by local-gw-02 and edge-gw-02.
#
#   tunnel (edge, local gateway)   edge end              local gateway's end       number
#   edge-gw-0E, local-gw-0L        169.254.EL.1/30       169.254.EL.2              E0L
#                                  fd00:EL::1/126        fd00:EL::2
#
# "internet" is a router that carries the tunnels' outer packets; a blackhole rule in it is a path that goes silent while
# every link stays up. "inside" is a switch and a host (br0) on the uplinks. Links into a machine that is powered off
# vanish with it; whoever powers it on plugs them again.
#
# LAB_EDGES says how many edge gateways there are: two, as drawn, or any up to nine ("1 2 3 4"). The others are like
# edge-gw-02, and the provider prefers none of them.

# shellcheck disable=SC2034 # read by those who source this file
{
	LOOPBACK=([4]=192.0.2.1 [6]=2001:db8::1)
	DEVICES=([4]=100.64.0.0/10 [6]=2001:db8:100::/40) # the provider's prefixes
	ARRAY_MTU=1400
	BIG=${BIG:-8388608} # bytes of what devices download; by /slow it takes a second a mebibyte (times PATIENCE)
	LOCALS=(1 2)
}

# machine    interface    IPv4              IPv6                 machine     interface   IPv4              IPv6
COMMON_LINKS=(
	"ixp-router  devices     100.64.1.1/24    2001:db8:100:1::1/64 device      eth0       100.64.1.11/24   2001:db8:100:1::11/64"
	"ixp-router  local-gw-01 172.31.1.1/30    fd31:1::1/64         local-gw-01 ixp-router 172.31.1.2/30    fd31:1::2/64"
	"ixp-router  local-gw-02 172.31.2.1/30    fd31:2::1/64         local-gw-02 ixp-router 172.31.2.2/30    fd31:2::2/64"
	"internet    local-gw-01 198.51.100.2/30  -                    local-gw-01 internet   198.51.100.1/30  -"
	"internet    local-gw-02 198.51.100.6/30  -                    local-gw-02 internet   198.51.100.5/30  -"
)
INTERNET_ADDRESS_OF_LOCAL=([1]=198.51.100.1 [2]=198.51.100.5)

# shellcheck disable=SC2034
topology_of() { # EDGE…: EDGES, MACHINES, LINKS, and what is numbered by edges
	local edge lgw
	EDGES=("$@")
	MACHINES=(device ixp-router local-gw-01 local-gw-02 internet inside)
	LINKS=("${COMMON_LINKS[@]}")
	INTERNET_ADDRESS_OF_EDGE=()
	INTERNET_PORT=() # of both ends of tunnel EL
	for edge in "$@"; do
		MACHINES+=("edge-gw-0$edge")
		LINKS+=(
			"internet edge-gw-0$edge 203.0.113.$((4 * edge - 2))/30 - edge-gw-0$edge eth1 203.0.113.$((4 * edge - 3))/30 -"
			"inside   edge-gw-0$edge br0 - edge-gw-0$edge eth0 10.0.0.1$edge/16 fd00:10::1$edge/64"
		)
		INTERNET_ADDRESS_OF_EDGE[edge]=203.0.113.$((4 * edge - 3))
		for lgw in "${LOCALS[@]}"; do
			INTERNET_PORT[$edge$lgw]=518$edge$lgw
		done
	done
}

# shellcheck disable=SC2086 # numbers
topology_of ${LAB_EDGES:-1 2}

device_address() { # FAMILY NUMBER: an address of the device; 11 and up are configured
	case $1 in 4) echo "100.64.1.$2" ;; 6) echo "2001:db8:100:1::$2" ;; esac
}

url() { # FAMILY PATH
	case $1 in 4) echo "http://${LOOPBACK[4]}$2" ;; 6) echo "http://[${LOOPBACK[6]}]$2" ;; esac
}

# ---- Bare machines -----------------------------------------------------------------------------------------------

topology_up() {
	local machine jobs=()
	for machine in "${MACHINES[@]}"; do
		machine_start "$machine" &
		jobs+=($!)
	done
	wait_all "${jobs[@]}" || exit 1
	on inside sh -ec 'ip link add br0 type bridge; ip addr add 10.0.0.100/16 dev br0; ip addr add fd00:10::100/64 dev br0
		ethtool -K br0 tx off >/dev/null; ip link set br0 up'
	topology_plug all
	for machine in "${MACHINES[@]}"; do
		topology_routes "$machine"
	done
}

topology_plug() { # MACHINE|all: its links
	local row end
	for row in "${LINKS[@]}"; do
		read -ra end <<<"$row"
		if [ "$1" = all ] || [ "$1" = "${end[0]}" ] || [ "$1" = "${end[4]}" ]; then
			plug "${end[@]}" || die "cannot plug $row"
		fi
	done
}

# shellcheck disable=SC2016 # expanded in there
topology_routes() { # MACHINE: what its administrator would have set, apart from its daemons
	case $1 in
	device) head -c "$BIG" /dev/urandom >"$LAB/device/lab/big" # what it downloads and compares
		{
			printf 'route add default via %s\n' 100.64.1.1 2001:db8:100:1::1
			printf 'addr add 100.64.1.%s/24 dev eth0\n' {12..39}
			printf 'addr add 2001:db8:100:1::%s/64 dev eth0\n' {12..39}
		} | on "$1" ip -batch - ;;
	ixp-router) router "$1" && on "$1" sh -ec 'for n in 1 2; do
			ip route add default via 172.31.$n.2 table $n; ip route add default via fd31:$n::2 table $n; done' ;;
	local-gw-01) router "$1" && on "$1" ip route add default via 198.51.100.2 ;;
	local-gw-02) router "$1" && on "$1" ip route add default via 198.51.100.6 ;;
	internet) router "$1" ;;
	# Debian leaves rp_filter to whoever cares; strict on new devices is the harder case for the gateway.
	edge-gw-0*) on "$1" sh -ec 'ip route add default via 203.0.113.$((4 * $1 - 2)); echo 1 >/proc/sys/net/ipv4/conf/default/rp_filter' \
		sh "${1#edge-gw-0}" ;;
	esac
}

# shellcheck disable=SC2016
router() { # MACHINE: it forwards, and takes asymmetric paths for what they are
	on "$1" sh -ec 'cd /proc/sys/net; echo 1 >ipv4/ip_forward; echo 1 >ipv6/conf/all/forwarding
		for f in ipv4/conf/*/rp_filter; do echo 0 >$f; done'
}

lab_stands() { # someone holds it: lab_claim
	[ -e "$LAB/.lab" ] && ! flock -n "$LAB" true
}

topology_down() {
	local machine
	if lab_stands; then # else its numbers of processes are other people's by now
		for machine in $(machines); do
			machine_off "$machine"
		done
	fi
	[ ! -e "$LAB/.lab" ] || rm -rf "$LAB"
}
