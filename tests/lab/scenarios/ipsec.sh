# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# A mixed array: the provider's local-gw-01 is reached by WireGuard from edge-gw-01, its local-gw-02 by IPsec from edge-gw-02. Its
# end is a plain strongSwan beside FRR. Both families go by the tunnel, and are played at once.

ipsec_config() { # FILE: edge-gw-02's, whose tunnel to local-gw-02 is IPsec
	LAB_IPSEC=22 gateway_config 2 "$ATTACH" >"$1"
}

# What of edge-gw-02 is nobody's business but its own: the other tunnel, the processes.
ipsec_others() {
	on edge-gw-02 sh -c 'ip -j link show acme-lgw-01 | jq ".[0].ifindex"; pgrep -xf "wireguard-go -f acme-lgw-01"; pgrep bird'
	frr local-gw-01 "show bgp neighbors 169.254.21.1 json" | jq -c '.[] | [.connectionsEstablished, .connectionsDropped]'
}

ipsec_charon() {
	on edge-gw-02 pgrep -f charon-systemd
}

ipsec_left() {
	on edge-gw-02 sh -c 'pgrep -af charon-systemd$; ls -d /run/homeward/ipsec; ip -o link show ipsec0; ip rule show table 7779
		ip -6 rule show table 7779; ip route show table 7779' 2>/dev/null || true
}

ipsec_row() { # FILTER of jq
	gwctl edge-gw-02 -j tunnel get acme-lgw-02 | jq -r ".tunnels[0] | $1"
}

ipsec_usable() {
	[[ $(ipsec_row '[.driver, .usable, .bfd, .bgp] | join(" ")') == @(strongswan|xfrm)" true up up" ]]
}

ipsec_stands() {
	within 40 ipsec_usable || fail "the IPsec tunnel is not usable: $(ipsec_row '.cause'); $(tail -n 3 "$LAB/edge-gw-02/lab/gwd.log")"
}

# Pings of both families by the tunnel while COMMAND runs: none may be lost. They are answered by edge-gw-02's loopback.
ipsec_loses_nothing() { # COMMAND…
	local family lost
	for family in 4 6; do
		background device "$LAB/device/lab/ping$family" ping -q -"$family" -i 0.02 -c 300 -W 3 \
			-I "$(device_address $family 15)" "${LOOPBACK[$family]}"
	done
	sleep 0.3
	"$@"
	for family in 4 6; do
		within 20 grep -q transmitted "$LAB/device/lab/ping$family" || fail "the pings (v$family) do not end"
		lost=$(awk '/transmitted/ { print $1 - $4 }' "$LAB/device/lab/ping$family")
		expect "pings lost (v$family)" 0 "$lost"
	done
}

ipsec_numbers() { # of the IKE associations, at the provider
	on local-gw-02 env SWANCTL_DIR=/run/swan swanctl --list-sas --uri unix:///run/swan/vici | grep -o '#[0-9]*, ESTABLISHED'
}

ipsec_is_another() { # THAN
	[[ $(ipsec_numbers) != @("$1"|"") ]]
}

ipsec_authenticates_anew() { # THAN; asked while it is at something else it forgets
	swanctl_on 2 --rekey --ike edge-gw-02 --reauth
	within 3 ipsec_is_another "$1"
}

ipsec_new_keys() {
	local n before
	for n in 1 2 3; do
		swanctl_on 2 --rekey --child all
		gwctl edge-gw-02 -j tunnel list >/dev/null
		sleep 0.3
	done
	before=$(ipsec_numbers)
	swanctl_on 2 --rekey --ike edge-gw-02
	within 10 ipsec_is_another "$before" || fail "its IKE association has no new keys: $before"
	sleep 0.5
	before=$(ipsec_numbers)
	within 20 ipsec_authenticates_anew "$before" || fail "it has not authenticated anew: $before"
	sleep 1
}

scenario_ipsec() {
	local others charon family address jobs=()
	disturb
	touch "$LAB/ipsec"
	others=$(ipsec_others)
	strongswan_kill 2
	wireguard_kill local-gw-02 edge-gw-02
	strongswan_tunnel_up 2 2
	ipsec_psk edge-gw-02 "$IPSEC_SECRET"
	ipsec_config "$LAB/edge-gw-02/lab/ipsec.yaml"
	gwctl edge-gw-02 config apply /run/lab/ipsec.yaml
	ipsec_stands
	charon=$(ipsec_charon)
	mkdir -p "$BUILD/check"
	on edge-gw-02 "$GWCTL" -j doctor /run/lab/ipsec.yaml >"$BUILD/check/doctor.json" || [ $? = 1 ]
	/usr/bin/python3 "$ROOT/tests/vm/kernels" --check "$BUILD/check/doctor.json" || fail "docs/design.md says other things of this kernel"

	# A connection goes on from WireGuard to IPsec and back, in both families.
	for family in 4 6; do
		address=$(device_address $family 14)
		move 1 1 $family from "$address"
		fetch_big "$address" $family /slow &
		jobs+=($!)
		within 10 test_nonempty homes_of "$address" || fail "the download (v$family) does not start"
	done
	for family in 4 6; do
		address=$(device_address $family 14)
		for way in "2 2" "1 1" "2 2"; do
			witness_mark
			# shellcheck disable=SC2086
			move $way $family from "$address"
			within 10 came_by "$address" "$way" || fail "no response to $address came by $way"
		done
	done

	for family in 4 6; do
		move 2 2 $family from "$(device_address $family 15)"
	done
	ipsec_loses_nothing ipsec_new_keys

	# gwd is killed and comes back: the same charon, and nothing lost.
	ipsec_loses_nothing ipsec_gwd_again
	expect "charon" "$charon" "$(ipsec_charon)"
	wait "${jobs[@]}" || fail "the downloads did not survive"

	# Another secret of the same length, first here: the tunnel alone is dead, and lives when the other end has it.
	ipsec_psk edge-gw-02 "the other secret of acme"
	gwctl edge-gw-02 config apply /run/lab/ipsec.yaml
	within 20 ipsec_is_down || fail "the tunnel lives on with another secret than the peer's"
	within 10 ipsec_complains AUTHENTICATION_FAILED || fail "nobody says why: $(ipsec_row .ipsec)"
	strongswan_load 2 2 psk "the other secret of acme"
	within 20 ipsec_associated || fail "the tunnel does not come back: $(ipsec_row .ipsec)"
	expect "charon" "$charon" "$(ipsec_charon)"

	# charon dies, and another serves.
	on edge-gw-02 kill -KILL "$charon"
	within 10 ipsec_is_down || fail "nobody noticed that charon died"
	within 20 ipsec_associated || fail "no other charon serves: $(ipsec_row .ipsec)"

	# Certificates instead.
	strongswan_certificates 2 2
	strongswan_load 2 2 pubkey
	sed 's|psk_file: .*|certificate: {cert_file: /run/lab/us.pem, key_file: /run/lab/us.key, ca_file: /run/lab/ca.pem}|' \
		"$LAB/edge-gw-02/lab/ipsec.yaml" >"$LAB/edge-gw-02/lab/certificates.yaml"
	gwctl edge-gw-02 config apply /run/lab/certificates.yaml
	ipsec_stands
	expect "what nobody touched" "$others" "$(ipsec_others)"
	test_nonempty ipsec_left || fail "nothing of IPsec is to be seen"
	ipsec_repair
	expect "what is left of it" "" "$(ipsec_left)"
}

ipsec_is_down() {
	[ "$(ipsec_row '.usable')" = false ]
}

ipsec_associated() {
	[ "$(ipsec_row '.ipsec | [.ike, .esp, .error == ""] | join(" ")')" = "ESTABLISHED INSTALLED true" ]
}

ipsec_complains() { # OF
	[[ $(ipsec_row .ipsec.error) == *"$1"* ]]
}

ipsec_gwd_again() {
	gwd_kill 2 KILL
	gateway_launch 2
}

ipsec_repair() { # back to WireGuard at both ends
	[ -e "$LAB/ipsec" ] || return 0
	strongswan_kill 2
	gateway_config 2 "$ATTACH" >"$LAB/edge-gw-02/lab/wireguard.yaml"
	gwctl edge-gw-02 config apply /run/lab/wireguard.yaml
	on local-gw-02 ip link show edge-gw-02 >/dev/null 2>&1 || provider_tunnel_up 2 2
	rm "$LAB/ipsec"
}
