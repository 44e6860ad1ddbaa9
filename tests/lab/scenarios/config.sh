# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Another configuration under traffic: what did not change is not touched, what cuts the operator off is undone by itself,
# what is broken is refused and the old one goes on. Traffic, identity and handshakes are restart.sh's.

# A provider whose name comes first, so that nobody may go by the order of names, and a tunnel without a neighbour.
config_with_more() { # FILE
	local key
	key=$(on edge-gw-01 sh -c 'umask 077; wg genkey >/run/lab/more.key; wg genkey | wg pubkey')
	gateway_config 1 "$ATTACH" | sed 's|^providers:|&\n  - {name: aardvark, prefixes: [10.99.0.0/16, "2001:db8:9900::/48"]}|' >"$1"
	cat >>"$1" <<-END
		  - name: aardvark-1
		    number: 190
		    provider: aardvark
		    wireguard: {private_key_file: /run/lab/more.key, listen_port: 51990, peer: {public_key: "$key"}}
		    addresses: [169.254.99.1/30, "fd00:99::1/126"]
	END
}

config_without_tunnel_1() { # FILE: what edge-gw-01's traffic goes by is gone
	gateway_config 1 "$ATTACH" | sed '/name: acme-lgw-01/,/bgp:/d' >"$1"
}

config() { # ARGUMENT…
	gwctl edge-gw-01 config "$@"
}

expect_exit() { # STATUS COMMAND…
	local wanted=$1 status=0
	shift
	"$@" || status=$?
	expect "exit status of $*" "$wanted" "$status"
}

expect_still_there() { # BEFORE-IDENTITY: more may have come
	local gone
	gone=$(comm -23 <(sort <<<"$1") <(identity edge-gw-01 | sort))
	expect "what is no longer as it was" "" "$gone"
}

# A tunnel more, changed, gone again; another log level: nobody else notices.
scenario_apply_leaves_others_alone() {
	local before hands lab=$LAB/edge-gw-01/lab
	config_with_more "$lab/more.yaml"
	sed 's/51990/51991/; s/aardvark-1/&\n    # &/' "$lab/more.yaml" >"$lab/changed.yaml"
	{ gateway_config 1 "$ATTACH" && echo "log: debug"; } >"$lab/log.yaml"
	before=$(identity edge-gw-01)
	hands=$(handshakes edge-gw-01)
	traffic_start 24
	expect_exit 1 config diff /run/lab/more.yaml
	config apply /run/lab/more.yaml
	expect_exit 0 config diff /run/lab/more.yaml
	expect_still_there "$before"
	config apply /run/lab/changed.yaml
	expect "the changed port" 51991 "$(on edge-gw-01 wg show aardvark-1 listen-port)"
	config apply /run/lab/log.yaml
	expect "the log level" "log: debug" "$(config show | grep ^log:)"
	config rollback
	expect "the tunnel is back" 51991 "$(on edge-gw-01 wg show aardvark-1 listen-port)"
	gateway_config 1 "$ATTACH" >"$lab/first.yaml"
	config apply /run/lab/first.yaml
	traffic_end
	expect_adopted "$before"
	expect_handshakes_kept "$hands" "$(handshakes edge-gw-01)"
}

# The tunnel in use is taken away for five seconds; nobody confirms.
scenario_apply_unconfirmed() {
	local family lab=$LAB/edge-gw-01/lab
	config_without_tunnel_1 "$lab/cut.yaml"
	config apply --confirm 5s /run/lab/cut.yaml
	expect "tunnels" 1 "$(gwctl edge-gw-01 -j tunnel list | jq '.tunnels | length')"
	within 40 edge_ready 1 || fail "it is not undone"
	expect "the file" "$(gateway_config 1 "$ATTACH")" "$(cat "$lab/gateway.yaml")"
	expect_exit 3 config confirm
	lab_wait
	for family in 4 6; do
		expect "the page says" edge-gw-01 "$(fetch "$(device_address $family 25)" $family /)"
	done
}

# The same, and the daemon dies meanwhile: the next one reads the file, which is the old one.
scenario_apply_unconfirmed_and_killed() { # FAMILY
	local lab=$LAB/edge-gw-01/lab
	config_without_tunnel_1 "$lab/cut.yaml"
	config apply --confirm 60s /run/lab/cut.yaml
	gwd_kill 1 KILL
	gateway_start 1 "$ATTACH"
	within 40 edge_ready 1 || fail "it is not undone"
	expect_exit 3 config confirm
}

scenario_apply_confirmed() { # FAMILY
	local lab=$LAB/edge-gw-01/lab
	{ gateway_config 1 "$ATTACH" && echo "log: debug"; } >"$lab/log.yaml"
	config apply --confirm 5s /run/lab/log.yaml
	config confirm
	sleep 6
	expect "the log level" "log: debug" "$(config show | grep ^log:)"
	expect "the file" "$(cat "$lab/log.yaml")" "$(cat "$lab/gateway.yaml")"
	config rollback
	expect "the file" "$(gateway_config 1 "$ATTACH")" "$(cat "$lab/gateway.yaml")"
}

# Refused whole: by its own faults, and by the machine; SIGHUP goes the same way.
scenario_apply_refused() { # FAMILY
	local before lab=$LAB/edge-gw-01/lab
	before=$(identity edge-gw-01)
	gateway_config 1 "$ATTACH" | grep -v provider: >"$lab/bad.yaml"
	expect_exit 6 config apply /run/lab/bad.yaml
	expect_exit 6 config diff /run/lab/bad.yaml
	expect_exit 6 config apply /run/lab/nosuch.yaml
	gateway_config 1 "$ATTACH" | sed 's/^uplinks:.*/uplinks: [eth0, nosuch0]/' >"$lab/uplink.yaml"
	expect_exit 1 config apply /run/lab/uplink.yaml
	cp "$lab/bad.yaml" "$lab/gateway.yaml"
	# shellcheck disable=SC2016
	on edge-gw-01 sh -c 'kill -HUP $(cat /run/lab/gwd.pid)'
	within 5 hangup_refused || fail "gwd does not say that it refuses the file"
	gateway_config 1 "$ATTACH" >"$lab/gateway.yaml"
	expect_adopted "$before"
	echo "log: debug" >>"$lab/gateway.yaml"
	# shellcheck disable=SC2016
	on edge-gw-01 sh -c 'kill -HUP $(cat /run/lab/gwd.pid)'
	within 5 log_is_debug || fail "SIGHUP does not read the file"
	config rollback
	expect_adopted "$before"
}

hangup_refused() {
	gwctl edge-gw-01 -j events --no-follow | grep refused | grep -q "gateway.yaml is refused"
}

log_is_debug() {
	config show | grep -qx "log: debug"
}
