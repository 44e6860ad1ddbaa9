# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# What is not a plain request and its answer: ICMP errors, sizes and fragments, spoofed sources, and the tables.

# ---- ICMP errors -----------------------------------------------------------------------------------------------------

# The edge's own error about a request goes home as an answer does.
scenario_port_unreachable() { every_tunnel "$1" port_unreachable_once; }

port_unreachable_once() { # FAMILY ADDRESS EDGE LOCAL
	ask "$2" "$1" refused
}

# The server's answer dies at the ixp-router, whose error (from an address outside the provider's prefixes) reaches the
# server's socket: by the quoted packet it is about a response of ours.
scenario_ttl_exceeded() { # FAMILY
	local family=$1 address edge
	local -A kind=([4]="type 11 code 0" [6]="type 3 code 0")
	for edge in "${EDGES[@]}"; do
		address=$(device_address "$family" $((22 + edge)))
		steer "$edge" "$edge" "$family" to "${LOOPBACK[$family]}"
		ask "$address" "$family" short-lived
		within 8 grep -q "error ${kind[$family]} about $address" "$LAB/edge-gw-0$edge/lab/services.log" ||
			fail "the server's socket on edge-gw-0$edge heard of no exceeded TTL"
		unsteer
	done
}

# What the gateway opens from the loopback finds the device, by the device's newest way.
scenario_gateway_opens() { # FAMILY
	local family=$1 address
	address=$(device_address "$family" 22)
	steer 1 2 "$family" from "$address"
	expect "UDP is answered by" edge-gw-01 "$(ask "$address" "$family" name)"
	witness_mark
	on edge-gw-01 ping -n -q -c 3 -i 0.1 -W 5 -I "${LOOPBACK[$family]}" "$address"
	expect_home "$address" 1 2
}

# ---- Sizes -----------------------------------------------------------------------------------------------------------

# Every size near an MSS by TCP; by UDP and ping sizes on both sides of one and of several fragments.
scenario_size_sweep() { # FAMILY
	local family=$1 address size
	local -A edge_of_fragment=([4]=1372 [6]=1352) # the array's MTU without IP and UDP
	address=$(device_address "$family" 26)
	steer 2 1 "$family" from "$address"
	# shellcheck disable=SC2046 # numbers
	ask "$address" "$family" web $(seq 1 100 900) $(seq 1000 1480) 2700 4050 20000 60000
	size=${edge_of_fragment[$family]}
	set -- 1 $((size - 1)) "$size" $((size + 1)) 1400 1420 1453 1473 2000 $((2 * size)) 4000 8000
	ask "$address" "$family" echo "$@"
	for size in "$@"; do
		within 8 device ping -n -q -c 1 -W 1 -s "$size" -I "$address" "${LOOPBACK[$family]}" ||
			fail "no ping of $size bytes came back"
	done
	expect_home "$address" 2 1
}

# Behind the ixp-router the path is narrower than the array's MTU. Its too-big comes from an address of its own, outside
# the provider's prefixes, and downloads finish all the same.
scenario_too_big_from_outside() { # FAMILY
	local family=$1 address
	local -A words=([4]="172.31.*need to frag" [6]="fd31:.*too big")
	address=$(device_address "$family" 27)
	steer 1 1 "$family" to "${LOOPBACK[$family]}"
	disturb
	on ixp-router ip link set devices mtu 1280
	fetch_big "$address" "$family"
	listen "$address" "$family" 4270 23 "1300 0" # by UDP too: in fragments, now that the path is known
	within 8 heard 1300 || fail "no UDP answer of 1300 bytes"
	within 5 witnessed " Out .*${words[$family]}" || fail "the ixp-router never said that a packet was too big"
	expect_home "$address" 1 1
}

witnessed() { # REGULAR_EXPRESSION
	witness | grep -q "$1"
}

# ---- Fragments -------------------------------------------------------------------------------------------------------
#
# All of a flow whose way home is not the device's newest (two_ways).

# The edge's own stack fragments.
scenario_fragments_of_a_server() { # FAMILY
	local address
	address=$(device_address "$1" 28)
	two_ways "$1" "$address" 23 "5000 $((4000 * PATIENCE))"
	within 12 heard 5000 || fail "the fragmented answer did not arrive"
	within 5 came_by "$address" "1 1" || fail "the fragments did not go by their flow's tunnel"
	expect "tunnels of the fragments" "1 1" "$(homes_of "$address" | paste -sd,)"
}

# An inside host's fragments surface at the uplink.
scenario_fragments_in_order() { # FAMILY
	local address
	address=$(device_address "$1" 29)
	two_ways "$1" "$address" 9000 '?'
	inject inside fragments in "$(edge_mac 1)" "${LOOPBACK[$1]}" 9000 "$address" 4201 5001
	within 8 heard 5001 || fail "the fragmented answer did not arrive"
	within 5 came_by "$address" "1 1" || fail "the fragments did not go by their flow's tunnel"
	expect "tunnels of the fragments" "1 1" "$(homes_of "$address" | paste -sd,)"
}

# Last one first: what comes before the first fragment goes by the device, and all arrive.
scenario_fragments_out_of_order() { # FAMILY
	local address
	address=$(device_address "$1" 30)
	two_ways "$1" "$address" 9000 '?'
	inject inside fragments out "$(edge_mac 1)" "${LOOPBACK[$1]}" 9000 "$address" 4201 5002
	within 8 heard 5002 || fail "the fragmented answer did not arrive"
	within 5 came_by "$address" "1 1" || fail "the first fragment did not go by its flow's tunnel"
}

# ---- Who may speak ---------------------------------------------------------------------------------------------------

# Sources that are not the provider's: dropped, and the counter tells how many to the packet.
scenario_spoofed_sources() { # FAMILY
	local family=$1 before after
	local -A sources=([4]="203.0.113.99 10.0.0.100 100.128.0.1" [6]="2001:db8:ffff::1 fd00:10::100 2001:db8:200::1")
	steer 1 1 "$family" to "${LOOPBACK[$family]}"
	before=$(counter 1 source_not_provider)
	# shellcheck disable=SC2086 # a list
	inject device spoof 20 "${LOOPBACK[$family]}" ${sources[$family]}
	within 8 counter_is 1 source_not_provider $((before + 180)) ||
		fail "source_not_provider: $before before, $(counter 1 source_not_provider) after 180 spoofed packets"
	after=$(witness | grep -c -E " In .* > (203.0.113.99|10.0.0.100|100.128.0.1|2001:db8:ffff::1|fd00:10::100|2001:db8:200::1)[.:]" || true)
	expect "answers to spoofed sources" 0 "$after"
	expect "the page says" edge-gw-01 "$(fetch "$(device_address "$family" 31)" "$family" /)"
}

counter_is() { # EDGE REASON WANTED
	[ "$(counter "$1" "$2")" = "$3" ]
}

# ---- Promise 3: no provider prefix inside ----------------------------------------------------------------------------

scenario_no_provider_prefix() { # FAMILY
	local family=$1 edge inside
	local -A pattern=([4]='^(unicast |blackhole )?100\.(6[4-9]|[7-9][0-9]|1[01][0-9]|12[0-7])\.' [6]='^(unicast |blackhole )?2001:db8:1[0-9a-f]{2}:')
	for edge in "${EDGES[@]}"; do
		fetch "$(device_address "$family" 32)" "$family" /
		frr "local-gw-0$edge" "show bgp ipv$family unicast neighbors 169.254.$edge$edge.1 advertised-routes json" |
			jq -en --arg prefix "${DEVICES[$family]}" 'input | .advertisedRoutes | has($prefix)' ||
			fail "local-gw-0$edge does not even offer the provider's prefix"
		inside=$(on "edge-gw-0$edge" ip "-$family" route show table all | grep -E "${pattern[$family]}" || true)
		expect "provider's prefixes in edge-gw-0$edge's tables" "" "$inside"
	done
}
