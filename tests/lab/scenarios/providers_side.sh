# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Our software on the provider's side (PROVIDER=homeward): a local gateway tells the ixp-router of the loopback while a tunnel
# of its own tells it, and reaches the devices by what the ixp-router tells.

ixp_leads_to() { # LOCAL_MACHINE: the ixp-router's kernel, in both families
	local family
	for family in 4 6; do
		within 20 route_leads ixp-router $family "$1" || fail "the ixp-router did not move to $1, v$family"
	done
}

# All that BIRD has put into the main tables.
routes_of() { # MACHINE
	local family
	for family in 4 6; do
		on "$1" ip "-$family" -j route show proto bird | jq -r '.[] | "\(.dst) \(.dev)"'
	done
}

knows_the_devices() { # MACHINE: and nothing else
	[ "$(routes_of "$1")" = "$(printf '%s ixp-router\n' "${DEVICES[@]}")" ]
}

knows_nothing() { # MACHINE
	[ -z "$(routes_of "$1")" ]
}

session_with_router() { # MACHINE
	gwctl "$1" -j bgp get ixp-router | jq -r '.sessions[] | "\(.bgp) \(.bfd)"'
}

# Figure 2, all of it ours. With one of its tunnels silent a local gateway goes on by the other, with all of them it is left; it
# comes back with the first. Downloads go on through all of that, and their answers home by the way their requests came.
scenario_router_follows_tunnels() {
	local family jobs=()
	ixp_leads_to local-gw-01
	within 10 knows_the_devices local-gw-01 || fail "the main tables have $(routes_of local-gw-01)"
	for family in 4 6; do
		fetch_big "$(device_address $family 34)" $family /slow &
		jobs+=($!)
	done
	goes_by 34 1 1
	cut 1 1
	within 10 tunnel_of_local_down 1 || fail "local-gw-01 does not notice that a tunnel is silent"
	goes_by 34 2 1
	ixp_leads_to local-gw-01
	cut 2 1
	ixp_leads_to local-gw-02
	goes_by 34 2 2
	expect "local-gw-01's session with the router" "up up" "$(session_with_router local-gw-01)"
	knows_the_devices local-gw-01 || fail "the main tables have $(routes_of local-gw-01)"
	mend
	ixp_leads_to local-gw-01
	for family in 4 6; do
		within 20 served_by $family "$(device_address $family 35)" edge-gw-01 || fail "the preferred tunnel is not back, v$family"
	done
	for family in "${jobs[@]}"; do
		wait "$family" || fail "a download did not survive"
	done
}

# What comes to an address and what it sends goes by this tunnel alone, in both families.
goes_by() { # NUMBER EDGE LOCAL
	local addresses=("$(device_address 4 "$1")" "$(device_address 6 "$1")") address
	witness_mark
	for address in "${addresses[@]}"; do
		within 20 came_by "$address" "$2 $3" || fail "nothing came to $address by edge-gw-0$2 and local-gw-0$3"
	done
	sleep 0.2 # for what was on its way by another
	witness_mark
	for address in "${addresses[@]}"; do
		within 5 test_nonempty ways_of "$address" || fail "$address asks no more"
		expect_home "$address" "$2" "$3"
	done
}

ixp_hears_nothing() { # LOCAL: of the loopback, in both families
	frr ixp-router "show bgp ipv4 unicast ${LOOPBACK[4]}/32 json" "show bgp ipv6 unicast ${LOOPBACK[6]}/128 json" |
		jq -es --arg peer "172.31.$1.2" 'length == 2 and ([.[].paths[].peer.peerId] | index($peer) | not)'
}

tunnel_of_local_down() { # EDGE
	gwctl local-gw-01 -j tunnel get "edge-gw-0$1" | jq -en 'input | .tunnels[0].usable == false'
}

# A drained local gateway attracts nothing, nor does one whose tunnels are all disabled; the ixp-router hears of it first, and
# nothing is lost.
scenario_router_follows_operator() {
	local edge
	# shellcheck disable=SC2034 # traffic_start's
	local RUN_SECONDS=14
	disturb
	traffic_start 32
	gwctl local-gw-01 gateway drain
	ixp_leads_to local-gw-02
	within 10 ixp_hears_nothing 1 || fail "what a drained gateway told is not withdrawn"
	expect "local-gw-01's session with the router" "up up" "$(session_with_router local-gw-01)"
	gwctl local-gw-01 gateway undrain
	ixp_leads_to local-gw-01
	gwctl local-gw-01 tunnel disable edge-gw-01 --wait=60s
	goes_by 32 2 1
	ixp_leads_to local-gw-01
	gwctl local-gw-01 tunnel disable edge-gw-02 --wait=60s
	ixp_leads_to local-gw-02
	within 10 ixp_hears_nothing 1 || fail "what came by disabled tunnels is told on"
	for edge in "${EDGES[@]}"; do
		gwctl local-gw-01 tunnel enable "edge-gw-0$edge"
	done
	ixp_leads_to local-gw-01
	traffic_end
}

# BGP and BFD are up through both tunnels, and the far side behind them is dead: what they tell is told on by the one that is
# proven, then by none.
scenario_router_follows_probes() {
	trap far_sides_answer EXIT
	disturb
	{
		local_config 1
		echo "probes:"
		for edge in "${EDGES[@]}"; do
			echo "  - {name: far$edge, tunnel: edge-gw-0$edge, icmp: {to: 169.254.${edge}1.1}, interval: 400ms, timeout: 400ms}"
		done
	} >"$LAB/local-gw-01/lab/probes.yaml"
	gwctl local-gw-01 config apply /run/lab/probes.yaml
	within 20 probes_of_local_are up || fail "not all probes are up: $(gwctl local-gw-01 probe list)"
	far_side_is_dead 1
	within 20 tunnel_of_local_down 1 || fail "the tunnel is usable still: $(gwctl local-gw-01 tunnel list)"
	ixp_leads_to local-gw-01
	far_side_is_dead 2
	ixp_leads_to local-gw-02
	within 10 ixp_hears_nothing 1 || fail "what is told through tunnels that are not proven is told on"
	expect "BGP and BFD through the first tunnel" "up up" \
		"$(gwctl local-gw-01 -j tunnel get edge-gw-01 | jq -r '.tunnels[0] | "\(.bgp) \(.bfd)"')"
	far_sides_answer
	ixp_leads_to local-gw-01
	local_config 1 >"$LAB/local-gw-01/lab/probes.yaml"
	gwctl local-gw-01 config apply /run/lab/probes.yaml
}

probes_of_local_are() { # STATE
	gwctl local-gw-01 -j probe list | jq -en --arg state "$1" 'input | .probes | length > 0 and all(.state == $state)'
}

far_side_is_dead() { # EDGE: it answers no echo that comes from local-gw-01
	on "edge-gw-0$1" nft -f - <<-END
		table inet lab_far {
		  chain input {
		    type filter hook input priority 0;
		    iifname "acme-lgw-01" icmp type echo-request drop
		  }
		}
	END
}

far_sides_answer() {
	local edge
	for edge in "${EDGES[@]}"; do
		on "edge-gw-0$edge" nft delete table inet lab_far 2>/dev/null || true
	done
}

# Its BIRD hangs and is killed at a stop: nothing that the router told is left in the main tables.
scenario_router_of_hung_bird() {
	disturb
	within 10 knows_the_devices local-gw-01 || fail "the main tables have $(routes_of local-gw-01)"
	on local-gw-01 kill -STOP "$(on local-gw-01 pidof bird)"
	gwctl local-gw-01 gateway stop --timeout 60s
	within 20 gateway_gone local-gw-01 || fail "gwd does not end"
	knows_nothing local-gw-01 || fail "the main tables have $(routes_of local-gw-01)"
}

# The ixp-router's daemons end and come back: what it told leaves the kernel and returns, and gwd says why.
scenario_router_reboots() {
	local before
	disturb
	before=$(router_events 0 | wc -l)
	# shellcheck disable=SC2016
	on ixp-router sh -c 'kill -KILL $(cat /run/frr/*.pid)'
	within 20 knows_nothing local-gw-01 || fail "the main tables have $(routes_of local-gw-01)"
	within 10 says_router_down || fail "status does not say so"
	frr_start ixp-router "$(bgp_of_ixp_router)"
	within 40 knows_the_devices local-gw-01 || fail "the main tables have $(routes_of local-gw-01)"
	ixp_leads_to local-gw-01
	within 10 router_events_tell "$before" || fail "the events do not tell: $(router_events "$before" | paste -sd,)"
}

router_events() { # COUNT: what is told of the router behind so many
	gwctl local-gw-01 -j events --no-follow | jq -r 'select(.name == "ixp-router") | .object + " " + .event' | tail -n "+$(($1 + 1))"
}

router_events_tell() { # BEHIND: what went down and came back, whatever else did meanwhile
	local object
	for object in bfd bgp; do
		[[ $(router_events "$1" | paste -sd,) == *"$object down"*"$object up"* ]] || return
	done
}

says_router_down() {
	{ gwctl local-gw-01 -j status || true; } | jq -en 'input | .degraded | any(startswith("router ixp-router: BGP is down"))'
}

# An operator moves what goes on, here by a switch-over, there by a drain: connections go on, and not a packet is lost.
scenario_provider_commanded() {
	# shellcheck disable=SC2034 # traffic_start's
	local RUN_SECONDS=12
	disturb
	trap provider_obeys_no_more EXIT
	traffic_start 33
	answer_numbers 2 4
	answer_numbers 2 6
	goes_by 33 1 1
	gwctl local-gw-01 egress switch platform edge-gw-02
	goes_by 33 2 1
	gwctl local-gw-01 egress switch platform edge-gw-01
	goes_by 33 1 1
	gwctl edge-gw-01 gateway drain
	goes_by 33 2 1
	traffic_end
}

provider_obeys_no_more() {
	gwctl edge-gw-01 gateway undrain
	within 10 gwctl local-gw-01 egress switch platform edge-gw-01 # refused until it has heard of that
}
