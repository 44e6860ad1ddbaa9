# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# The underlay: a WireGuard interface between the gateways, made by their administrator. Relays go by it, and whoever listens
# on the wire reads nothing of what is in them; while it is away nothing is relayed at all.

UNDERLAY_PORT=51900
declare -A UNDERLAY_PREFIX=([4]=10.99.0.1 [6]=fd00:99::1) # an edge's number follows

# ---- The administrator's ---------------------------------------------------------------------------------------------

underlay_start() { # EDGE: its end of wg-array
	local machine=edge-gw-0$1 other peers=()
	wireguard_start "$machine" wg-array
	for other in "${EDGES[@]}"; do
		[ "$other" != "$1" ] || continue
		peers+=(peer "$(<"$LAB/keys/edge-gw-0$other.pub")" endpoint "10.0.0.1$other:$UNDERLAY_PORT"
			allowed-ips "${UNDERLAY_PREFIX[4]}$other/32,${UNDERLAY_PREFIX[6]}$other/128")
	done
	on "$machine" wg set wg-array private-key /run/lab/wg.key listen-port $UNDERLAY_PORT "${peers[@]}"
	on "$machine" ip -batch - <<-END
		addr add ${UNDERLAY_PREFIX[4]}$1/24 dev wg-array
		addr add ${UNDERLAY_PREFIX[6]}$1/64 dev wg-array
		link set wg-array mtu 1472 up
	END
}

uplink_mtus() { # MTU: WireGuard's own headers must fit too
	local edge
	for edge in "${EDGES[@]}"; do
		on inside ip link set "edge-gw-0$edge" mtu "$1"
		on "edge-gw-0$edge" ip link set eth0 mtu "$1"
	done
	on inside ip link set br0 mtu "$1"
}

underlay_up() {
	local edge
	trap underlay_down EXIT
	uplink_mtus 1600
	for edge in "${EDGES[@]}"; do
		underlay_start "$edge"
		echo "$(date +%s%N) a needle in $edge" >"$LAB/edge-gw-0$edge/lab/www/needle"
	done
	within 20 on edge-gw-01 ping -c 1 -W 1 "${UNDERLAY_PREFIX[4]}2" || fail "the WireGuard between the gateways does not work"
}

underlay_down() {
	local edge
	underlay_apply
	for edge in "${EDGES[@]}"; do
		wireguard_kill "edge-gw-0$edge" wg-array || true
	done
	uplink_mtus 1500
}

underlay_apply() { # [FAMILY]: of the members' addresses on wg-array; without one, back to the uplinks
	local edge
	for edge in "${EDGES[@]}"; do
		if [ $# -gt 0 ]; then
			UNDERLAY=wg-array MEMBERS=${UNDERLAY_PREFIX[$1]} gateway_config "$edge" "$ATTACH"
		else
			gateway_config "$edge" "$ATTACH"
		fi >"$LAB/edge-gw-0$edge/lab/underlay.yaml"
		gwctl "edge-gw-0$edge" config apply /run/lab/underlay.yaml
	done
	for edge in "${EDGES[@]}"; do
		expect_member "$edge" alive
	done
}

# ---- Who listens on the wire -----------------------------------------------------------------------------------------

wire_start() {
	background inside "$LAB/inside/lab/wire.pcap" tcpdump -i edge-gw-02 --immediate-mode -U -s 0 -w - -Z root
	within 5 test -s "$LAB/inside/lab/wire.pcap" || fail "nobody listens on the wire"
}

wire_count() { # FILTER: packets
	tcpdump -r "$LAB/inside/lab/wire.pcap" -nn "$1" 2>/dev/null | wc -l
}

wire_carried() { # FILTER COUNT: more than so many
	[ "$(wire_count "$1")" -gt "$2" ]
}

wire_reads() { # whether the needle was to be read
	grep -aq needle "$LAB/inside/lab/wire.pcap"
}

# A connection that moves right behind its SYN, so that each packet after it is relayed to edge-gw-01, and the answers back.
relayed_fetch() { # ADDRESS FAMILY
	unmark_ways
	unsteer
	mark_ways "$2" "$1" 2 '' 1 'tcp flags & (syn | ack) == syn'
	fetch "$1" "$2" /needle
}

# ---- Scenarios -------------------------------------------------------------------------------------------------------

scenario_underlay() { # FAMILY: inside and outside
	local address relayed
	address=$(device_address "$1" 33)
	disturb
	underlay_up

	wire_start
	relayed_fetch "$address" "$1" | grep -q needle
	within 5 wire_reads || fail "without an underlay the needle is not to be found: nobody looks"
	background_end

	underlay_apply "$1"
	relayed=$(counter 2 relayed_request)
	wire_start
	relayed_fetch "$address" "$1" | grep -q needle
	fetch_big "$address" "$1"
	within 5 wire_carried "udp port $UNDERLAY_PORT and greater 1000" 1000 || fail "the pages did not go through WireGuard"
	background_end
	! wire_reads || fail "the needle is to be read on the wire"
	expect "relays and replication in the clear" 0 "$(wire_count 'udp port 6081 or udp port 6082')"
	[ "$(counter 2 relayed_request)" -gt "$relayed" ] || fail "nothing was relayed"
	array_traffic "$1"
	within 10 known_alike "$(device_address "$1" 21)" || fail "edge-gw-02 does not know the flows of edge-gw-01"
	within 10 known_alike "$(device_address "$1" 22)" || fail "edge-gw-01 does not know the flows of edge-gw-02"
}

known_alike() { # ADDRESS: there are lines of it, the same at both gateways
	local edge
	for edge in "${EDGES[@]}"; do
		array_dump "$edge"
		grep -F "$1" "$LAB/dump-$edge" >"$LAB/known-$edge" || return
	done
	cmp "$LAB/known-1" "$LAB/known-2"
}

is_degraded_by() { # EDGE WORDS
	{ gwctl "edge-gw-0$1" -j status || true; } | jq -en --arg words "$2" 'input | .degraded | any(startswith($words))'
}

counted_more() { # EDGE REASON COUNT
	[ "$(counter "$1" "$2")" -gt "$3" ]
}

# Down, and then gone: no packet takes the way in the clear meanwhile. When it is there again it is used again.
scenario_underlay_away() {
	local address relayed unreachable
	address=$(device_address 4 33)
	disturb
	underlay_up
	underlay_apply 4
	mark_ways 4 "$address" 2 '' 1 'tcp flags & (syn | ack) == syn'
	relayed=$(counter 2 relayed_request) unreachable=$(counter 2 relay_unreachable)
	background device "$LAB/device/lab/upload" "${ASK[@]}" "$address" "${LOOPBACK[4]}" upload 60
	within 10 counted_more 2 relayed_request $((relayed + 10)) || fail "the upload is not relayed"

	wire_start
	on edge-gw-02 ip link set wg-array down
	within 10 counted_more 2 relay_unreachable "$unreachable" || fail "nothing is dropped"
	within 10 is_degraded_by 2 "uplink wg-array is down" || fail "nobody is told"
	wireguard_kill edge-gw-02 wg-array
	within 10 is_degraded_by 2 "uplink wg-array is gone" || fail "nobody is told that it is gone"
	expect "relays in the clear" 0 "$(wire_count 'udp port 6081')"

	background_end
	underlay_start 2
	expect_member 2 alive
	expect_member 1 alive
	relayed_fetch "$address" 4 | grep -q needle
}
