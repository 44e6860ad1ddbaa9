# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Egress groups, on three machines of their own beside the lab: our gwd is a provider's local gateway.
#
#	lan ── eth1 egress ═══ link-1, link-2 ═══ platform, which has the address that the lan talks to
#
# Two WireGuard tunnels, each over a wire of its own that can be cut so that it is silent and its carrier stays; BIRD, or FRR, at the
# platform, with BGP and BFD as any peer's, and answers that leave by the tunnel their request came in by. The gateway has no
# route to the platform's address, and no default route: lan_ingress alone knows the way.

declare -A EGRESS_LAN=([4]=172.31.7.9 [6]=fd00:31:7::9)

egress_stand() { # MODE [PREEMPT]
	local machine link
	for machine in lan egress platform; do
		machine_start "$machine"
	done
	plug lan eth0 172.31.7.9/24 fd00:31:7::9/64 egress eth1 172.31.7.1/24 fd00:31:7::1/64
	on lan ip route add default via 172.31.7.1
	on lan ip -6 route add default via fd00:31:7::1
	wireguard_keys egress
	wireguard_keys platform
	on egress sysctl -qw net.ipv6.conf.all.forwarding=1
	on platform ip addr add "${LOOPBACK[4]}/32" dev lo
	on platform ip -6 addr add "${LOOPBACK[6]}/128" dev lo
	for link in 1 2; do
		plug egress "wire$link" "10.77.$link.1/24" - platform "wire$link" "10.77.$link.2/24" -
		egress_platform_tunnel $link
	done
	egress_platform_home
	"egress_platform_speaks_${PLATFORM:-bird}"
	egress_platform_services
	egress_config "$@" >"$LAB/egress/lab/gateway.yaml"
	egress_launch
	within 40 egress_all_usable || fail "the links do not become usable: $(gwctl egress tunnel list)"
}

egress_fall() { # all that stood
	local machine
	background_end
	for machine in lan egress platform; do
		[ ! -e "$LAB/$machine.pid" ] || machine_off "$machine"
	done
}

# ---- The platform ------------------------------------------------------------------------------------------------------

egress_platform_tunnel() { # LINK
	wireguard_start platform "local-$1"
	on platform wg set "local-$1" private-key /run/lab/wg.key listen-port "5182$1" \
		peer "$(cat "$LAB/keys/egress.pub")" allowed-ips 0.0.0.0/0,::/0 endpoint "10.77.$1.1:5182$1"
	on platform ip -batch - <<-END
		addr add 169.254.7$1.2/30 dev local-$1
		addr add fd00:7$1::2/126 dev local-$1
		link set local-$1 mtu 1400 up
		route add 172.31.7.0/24 dev local-$1 table 10$1
		route add fd00:31:7::/64 dev local-$1 table 10$1
	END
}

egress_platform_home() { # by the tunnel that the newest packet of a connection came in by
	local family link
	for family in 4 6; do
		for link in 1 2; do
			on platform ip -$family rule add fwmark $link lookup 10$link
		done
	done
	on platform nft -f - <<-'END'
		table inet home {
			chain in {
				type filter hook prerouting priority -100;
				iifname "local-1" ct mark set 1
				iifname "local-2" ct mark set 2
			}
			chain out {
				type route hook output priority -100;
				meta mark set ct mark
			}
		}
	END
	# A first look-up must find something that the mark then overrules.
	on platform ip route add 172.31.7.0/24 dev local-1
	on platform ip route add fd00:31:7::/64 dev local-1
	on platform sh -c 'echo 0 | tee /proc/sys/net/ipv4/conf/*/rp_filter' >/dev/null
}

egress_platform_speaks_bird() {
	egress_platform_bird >"$LAB/platform/lab/bird.conf"
	egress_platform_says >"$LAB/platform/lab/says.conf"
	on platform bird -c /run/lab/bird.conf -s /run/lab/bird.ctl -P /run/lab/bird.pid
}

egress_platform_speaks_frr() {
	frr_start platform "$(egress_platform_frr)"
}

egress_platform_frr() {
	bgp_head 64500 10.77.0.2
	neighbor 169.254.71.1 64501 100
	neighbor 169.254.72.1 64501 100
	cat <<-END
		 address-family ipv4 unicast
		  network ${LOOPBACK[4]}/32
		 exit-address-family
		 address-family ipv6 unicast
		  network ${LOOPBACK[6]}/128
		 exit-address-family
	END
	bgp_tail
}

egress_platform_bird() {
	local link
	cat <<-END
		router id 10.77.0.2;
		protocol device { }
		protocol bfd { interface "local-*" { interval $BFD_INTERVAL ms; multiplier 3; }; }
		include "/run/lab/says.conf";
		protocol static { ipv4; route ${LOOPBACK[4]}/32 blackhole; }
		protocol static { ipv6; route ${LOOPBACK[6]}/128 blackhole; }
		function tells(int number) {
			if number ~ silent then return false;
			if number ~ leaving then bgp_community.add((65535, 0));
			return true;
		}
	END
	for link in 1 2; do
		cat <<-END
			protocol bgp local_$link {
				local 169.254.7$link.2 as 64500;
				neighbor 169.254.7$link.1 as 64501;
				direct; bfd; hold time 9; connect delay time 1; connect retry time 1; error wait time 1, 1;
				ipv4 { import none; export where tells($link); };
				ipv6 { import none; export where tells($link); next hop address fd00:7$link::2; };
			}
		END
	done
}

egress_platform_says() { # [LEAVING [SILENT]]: the links by which it says that it leaves, or nothing
	echo "define leaving = [ ${1:-} ]; define silent = [ ${2:-} ];"
}

egress_says() { # [LEAVING [SILENT]]
	egress_platform_says "$@" >"$LAB/platform/lab/says.conf"
	on platform birdc -s /run/lab/bird.ctl configure >/dev/null
}

egress_platform_services() {
	on platform setsid /usr/bin/python3 "$ROOT/tests/lab/tools/services.py" platform "${LOOPBACK[4]}" "${LOOPBACK[6]}" \
		</dev/null >"$LAB/platform/lab/services.log" 2>&1 &
	disown
	within 10 grep -q ready "$LAB/platform/lab/services.log" || fail "the platform's services do not start"
}

egress_cut() { # LINK: silent, both ways
	on platform nft -f - <<-END
		table inet cut$1 {
			chain in { type filter hook input priority 0; iifname "wire$1" drop; }
			chain out { type filter hook output priority 0; oifname "wire$1" drop; }
		}
	END
}

egress_mend() { # LINK
	on platform nft delete table inet "cut$1"
}

# ---- The gateway ---------------------------------------------------------------------------------------------------------

egress_config() { # MODE [PREEMPT [LINK…]]
	local mode=$1 preempt=${2:-yes} link
	shift $(($# < 2 ? $# : 2))
	[ $# -gt 0 ] || set -- 1 2
	cat <<-END
		gateway: egress
		array:
		  mtu: 1400
		  gateways: [{name: egress, number: 1, address: 10.77.1.1}]
		loopbacks: []
		uplinks: []
		providers: []
		tunnels:
	END
	for link in 1 2; do
		cat <<-END
			  - name: link-$link
			    number: $link
			    wireguard:
			      private_key_file: /run/lab/wg.key
			      listen_port: 5182$link
			      peer: {public_key: "$(cat "$LAB/keys/platform.pub")", endpoint: "10.77.$link.2:5182$link"}
			    addresses: [169.254.7$link.1/30, "fd00:7$link::1/126"]
			    bgp: {local_as: 64501, peer_as: 64500, neighbor: 169.254.7$link.2, bfd: {interval: ${BFD_INTERVAL}ms, multiplier: 3},
			      import: {prefixes: [${LOOPBACK[4]}/32, "${LOOPBACK[6]}/128"]}}
		END
	done
	cat <<-END
		egress:
		  - name: platform
		    destinations: [${LOOPBACK[4]}/32, "${LOOPBACK[6]}/128"]
		    from: [eth1]
		    mode: $mode
		    links: [$(printf '{tunnel: link-%s},' "$@")]
		    preempt: $preempt
		    hold: 1s
	END
}

egress_launch() {
	# shellcheck disable=SC2016
	on egress sh -c 'setsid "$@" >>/run/lab/gwd.log 2>&1 & echo $! >/run/lab/gwd.pid' \
		sh "$GWD" -c /run/lab/gateway.yaml --run-dir "$RUN_DIR" --pin-dir "$PIN_DIR" </dev/null
	if ! within 20 gateway_decided egress || gateway_gone egress; then
		fail "gwd does not come up: $(tail -n 5 "$LAB/egress/lab/gwd.log")"
	fi
}

egress_all_usable() {
	gwctl egress -j tunnel list | jq -en 'input | [.tunnels[] | select(.usable)] | length == 2'
}

egress_links_in() { # LINK…: just these carry traffic
	[ "$(gwctl egress -j egress get platform | jq -r '[.links[] | select(.in) | .tunnel] | join(" ")')" = "$*" ]
}

expect_links_in() { # LINK…
	within 40 egress_links_in "$@" || fail "not just the links $* are in: $(gwctl egress egress get platform)"
}

egress_sent() { # LINK: packets
	gwctl egress -j egress get platform | jq -r --arg link "$1" '.links[] | select(.tunnel == $link) | .sent.packets'
}

# ---- Talking ---------------------------------------------------------------------------------------------------------------

egress_talk() { # FAMILY: UDP to larger than a packet, TCP, ping
	on lan "${ASK[@]}" "${EGRESS_LAN[$1]}" "${LOOPBACK[$1]}" echo 100 1300 4000
	on lan "${ASK[@]}" "${EGRESS_LAN[$1]}" "${LOOPBACK[$1]}" upload 0.5
	on lan ping -n "-$1" -c 2 -i 0.2 -W 2 "${LOOPBACK[$1]}" >/dev/null
}

egress_foretold() { # FAMILY PORT: what explain says of the next packet of this flow: its link, and why
	local from=${EGRESS_LAN[$1]} to=${LOOPBACK[$1]}
	[ "$1" = 4 ] || from="[$from]" to="[$to]"
	gwctl egress -j flow explain udp "$from:$2" "$to:17" --from-lan eth1 | jq -r '.egress | "\(.tunnel) \(.choice) \(.reason)"'
}

# What explain says before the packet, and that it leaves there; the flow keeps to it then.
egress_foretells() { # FAMILY PORT
	local said link before
	said=$(egress_foretold "$1" "$2")
	link=${said%% *}
	expect "what is foretold of a new flow" "$link share egress_shared" "$said"
	before=$(egress_sent "$link")
	on lan "${ASK[@]}" "${EGRESS_LAN[$1]}" "${LOOPBACK[$1]}" name "$2" >/dev/null
	[ "$(egress_sent "$link")" -gt "$before" ] || fail "explain said $link: $(gwctl egress egress get platform)"
	expect "what is foretold of the same flow" "$link pinned egress_pinned" "$(egress_foretold "$1" "$2")"
}

egress_told_uneven() {
	gwctl egress -j events --no-follow | jq -es 'any(.[]; .object == "egress" and .event == "uneven" and (.cause | test("few flows")))'
}

egress_expect_uneven() { # its link carries more than its share, and that is told
	within 40 egress_told_uneven || fail "the imbalance is not reported: $(gwctl egress egress get platform)"
	expect "links that are uneven" 2 "$(gwctl egress -j egress get platform | jq '[.links[] | select(.uneven)] | length')"
	background_end
}

egress_talk_both() {
	egress_talk 4
	egress_talk 6
}

egress_told() { # PATTERN: of the cause
	jq -es --arg cause "$1" 'any(.[]; .object == "egress" and .event == "link_out" and (.cause | test($cause)))' \
		"$LAB/egress/lab/events"
}

scenario_egress_standby() {
	trap egress_fall EXIT
	egress_stand active-standby
	expect_links_in link-1
	egress_talk_both
	[ "$(egress_sent link-2)" = 0 ] || fail "the standby carried traffic"
	egress_cut 1
	expect_links_in link-2
	egress_talk_both
	egress_mend 1
	expect_links_in link-1
	egress_talk_both
	gwctl egress egress switch platform link-2 || fail "it is not switched"
	egress_links_in link-2 || fail "a commanded switch-over is not done when gwctl says so"
	egress_talk_both
	background egress "$LAB/egress/lab/events" "$GWCTL" --run-dir "$RUN_DIR" -j events
	within 10 egress_told "link-1: (BFD|BGP) down" || fail "no event says why link-1 went: $(cat "$LAB/egress/lab/events")"
	egress_follows_what_is_announced
}

# The far gateway drains: it says so, takes its loopbacks back, and returns; nobody loses a packet. Link-2 carries traffic.
egress_follows_what_is_announced() {
	local family
	for family in 4 6; do
		background lan "$LAB/lan/lab/pings$family" stdbuf -oL ping -n "-$family" -i 0.01 "${LOOPBACK[$family]}"
	done
	egress_says 2
	expect_links_in link-1
	egress_says "" 2
	within 10 egress_told "link-2: its neighbor says that it leaves" || fail "no event says that link-2 leaves"
	within 10 egress_unusable link-2 || fail "link-2 is usable: $(gwctl egress tunnel list)"
	egress_says 1 2
	within 10 egress_hears "leaving nothing" || fail "what is announced is not told: $(gwctl egress egress get platform)"
	egress_links_in link-1 || fail "the last choice is not taken"
	egress_says 1
	expect_links_in link-2
	egress_says
	expect_links_in link-1
	background_end
	for family in 4 6; do
		egress_lost_nothing "$LAB/lan/lab/pings$family" || fail "lost on the way, v$family: $(tail -n 3 "$LAB/lan/lab/pings$family")"
	done
}

egress_hears() { # WHAT: by link-1, and by link-2
	[ "$(gwctl egress -j egress get platform | jq -r '[.links[].announces] | join(" ")')" = "$1" ]
}

egress_unusable() { # TUNNEL: for what its neighbour announces
	gwctl egress -j tunnel get "$1" | jq -e '.tunnels[] | .usable == false and (.cause | test("announces no destination"))'
}

# One that is on its way when ping ends was not lost: nothing behind it is heard of.
egress_lost_nothing() { # FILE
	[ -z "$(unanswered "$1")" ] && [ "$(grep -c ' bytes from ' "$1")" -ge 20 ]
}

scenario_egress_stays() { # without preemption, and through a gwd that is killed; the platform speaks FRR
	trap egress_fall EXIT
	PLATFORM=frr egress_stand active-standby no
	gwctl egress egress switch platform link-1 # whichever came up first
	expect_links_in link-1
	egress_cut 1
	expect_links_in link-2
	egress_mend 1
	within 40 egress_all_usable || fail "link-1 does not come back"
	sleep 2 # twice `hold`
	egress_links_in link-2 || fail "it went back to link-1"
	# shellcheck disable=SC2016
	on egress sh -c 'kill -KILL $(cat /run/lab/gwd.pid)'
	egress_talk_both
	egress_launch
	expect_links_in link-2
	egress_talk_both
	egress_cut 2
	expect_links_in link-1
	egress_talk_both
}

scenario_egress_shared() {
	local family link
	trap egress_fall EXIT
	egress_stand load-sharing
	expect_links_in link-1 link-2
	egress_talk_both
	for family in 4 6; do
		egress_foretells $family 4711
	done
	background lan /dev/null ping -n -4 -i 0.002 "${LOOPBACK[4]}" # one flow that sends nearly all
	for family in 4 6; do
		on lan "${ASK[@]}" "${EGRESS_LAN[$family]}" "${LOOPBACK[$family]}" crowd 100
	done
	for link in link-1 link-2; do
		[ "$(egress_sent $link)" -gt 50 ] || fail "$link has no share: $(gwctl egress egress get platform)"
	done
	egress_expect_uneven
	egress_cut 2
	expect_links_in link-1
	egress_talk_both
	egress_mend 2
	expect_links_in link-1 link-2
	egress_cut 1
	egress_cut 2
	expect_links_in
	expect "what is foretold without a link" "null null no_egress_link" "$(egress_foretold 4 4711)"
	on lan ping -n -4 -c 1 -W 1 "${LOOPBACK[4]}" && fail "who answered?"
	gwctl egress -j stats | jq -e 'any(.. | objects; .reason? == "no_egress_link" and .packets > 0)' >/dev/null ||
		fail "what was dropped is not counted: $(gwctl egress stats)"
}

egress_apply() { # LINK…
	egress_config active-standby yes "$@" >"$LAB/egress/lab/next.yaml"
	gwctl egress config apply /run/lab/next.yaml || fail "the configuration with $* is refused"
}

egress_answered() { # so many pings at least
	[ "$(grep -c 'bytes from' "$LAB/lan/lab/pings")" -ge "$1" ]
}

egress_dropped_none() { # WHEN
	! gwctl egress -j stats | jq -e 'any(.. | objects; .reason? == "no_egress_link" and .packets > 0)' >/dev/null ||
		fail "there was no link $1: $(gwctl egress stats)"
}

scenario_egress_changes() { # links leave the group and come under traffic, which always has one
	local pings
	trap egress_fall EXIT
	egress_stand active-standby
	expect_links_in link-1
	background lan "$LAB/lan/lab/pings" ping -n -4 -i 0.002 "${LOOPBACK[4]}"
	within 20 egress_answered 10 || fail "nobody answers"
	egress_apply 2
	expect_links_in link-2
	egress_dropped_none "while the active one left"
	egress_apply 1 2
	expect_links_in link-1
	egress_dropped_none "while one of a lower number came"
	pings=$(grep -c 'bytes from' "$LAB/lan/lab/pings")
	within 20 egress_answered $((pings + 10)) || fail "nobody answers any more"
	egress_talk_both
	egress_follows_probes
}

# The link is up, and its BGP and BFD: only the probe sees that what is behind it is not reached by it any more. From the link's
# own address, and from one of the gateway's in the LAN.
egress_follows_probes() {
	local family
	egress_config active-standby >"$LAB/egress/lab/next.yaml"
	cat >>"$LAB/egress/lab/next.yaml" <<-END
		probes:
		  - {name: far4, tunnel: link-1, icmp: {to: ${LOOPBACK[4]}}, interval: 300ms, timeout: 300ms}
		  - {name: far6, tunnel: link-1, icmp: {to: "${LOOPBACK[6]}"}, from: "fd00:31:7::1", interval: 300ms, timeout: 300ms}
	END
	gwctl egress config apply /run/lab/next.yaml || fail "the probes are refused"
	within 20 egress_probes_are up up || fail "not all probes are up: $(gwctl egress probe list)"
	expect "what is foretold of an answer to a probe" passed_egress "$(gwctl egress -j flow explain icmp \
		"${LOOPBACK[4]}:7" 169.254.71.1 --from-tunnel link-1 | jq -r '.requests[].reason')"
	for family in 4 6; do
		egress_swallow $family
		expect_links_in link-2
		egress_only_probe_knows "far$family" || fail "link-1 is not out by its probe: $(gwctl egress -j tunnel get link-1)"
		egress_talk_both
		on platform nft delete table inet swallow
		expect_links_in link-1
	done
}

egress_probes_are() { # STATE…
	[ "$(gwctl egress -j probe list | jq -r '[.probes[].state] | join(" ")')" = "$*" ]
}

egress_swallow() { # FAMILY: what comes by link-1 and goes further than its link
	local ip=ip
	[ "$1" = 4 ] || ip=ip6
	on platform nft "add table inet swallow; add chain inet swallow in { type filter hook input priority 0; };
		add rule inet swallow in iifname local-1 $ip daddr ${LOOPBACK[$1]} drop"
}

egress_only_probe_knows() { # PROBE
	expect "probes that are down" "$1" "$(gwctl egress -j probe list | jq -r '.probes[] | select(.state == "down") | .probe')"
	gwctl egress -j tunnel get link-1 | jq -e '.tunnels[] | .bgp == "up" and .bfd == "up" and .cause == "a probe is down"'
}
