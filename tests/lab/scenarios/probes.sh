# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# What BFD and BGP cannot see: an application that is dead, wrong or slow behind tunnels that are up, and a far side that
# takes packets and does nothing with them. edge-gw-01's probes ask an nginx of its own, by both families and by HTTP and
# HTTPS, and the device is answered by edge-gw-02 for as long as that one does not work.

PROBED_HTTP=7547 PROBED_TLS=7548
PROBED=/run/lab/probed # in PROBED_EDGE, which is that of the probes
PROBED_EDGE=edge-gw-01

# ---- The application that is probed ------------------------------------------------------------------------------------

probed_config() {
	cat <<-END
		pid $PROBED/pid;
		worker_processes 1;
		events { worker_connections 64; }
		http {
		  access_log off;
		  client_body_temp_path $PROBED/t1; proxy_temp_path $PROBED/t2; fastcgi_temp_path $PROBED/t3; uwsgi_temp_path $PROBED/t4;
		  scgi_temp_path $PROBED/t5;
		  server {
		    listen ${LOOPBACK[4]}:$PROBED_HTTP;
		    listen [${LOOPBACK[6]}]:$PROBED_HTTP;
		    listen ${LOOPBACK[4]}:$PROBED_TLS ssl;
		    listen [${LOOPBACK[6]}]:$PROBED_TLS ssl;
		    ssl_certificate $PROBED/cert.pem;
		    ssl_certificate_key $PROBED/key.pem;
		    root $PROBED/www;
		    location = /health { try_files /health =503; }
		  }
		}
	END
}

# An authority, and what it says about acs.example.net; the other authority says the same, and nobody believes it.
probed_certificates() { # DIRECTORY
	local authority
	for authority in right wrong; do
		openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj "/CN=$authority" -keyout "$1/$authority.ca.key" \
			-out "$1/$authority.ca.pem" 2>/dev/null
		openssl req -newkey rsa:2048 -nodes -subj /CN=acs.example.net -keyout "$1/$authority.key" -out "$1/request" 2>/dev/null
		openssl x509 -req -in "$1/request" -CA "$1/$authority.ca.pem" -CAkey "$1/$authority.ca.key" -CAcreateserial -days 30 \
			-extfile <(echo "subjectAltName=DNS:acs.example.net") -out "$1/$authority.pem" 2>/dev/null
	done
}

probed_start() {
	local lab=$LAB/$PROBED_EDGE/lab/probed
	if [ ! -e "$lab" ]; then
		mkdir -p "$lab/www"
		probed_certificates "$lab"
	fi
	echo "it is alive" >"$lab/www/health"
	probed_shows right
	probed_config >"$lab/nginx.conf"
	on $PROBED_EDGE nginx -e $PROBED/error.log -c $PROBED/nginx.conf
}

probed_shows() { # AUTHORITY: by whom its certificate is
	local lab=$LAB/$PROBED_EDGE/lab/probed
	cp "$lab/$1.pem" "$lab/cert.pem"
	cp "$lab/$1.key" "$lab/key.pem"
}

probed_kill() {
	# shellcheck disable=SC2016 # expanded in there
	on edge-gw-01 sh -c 'kill -CONT -- $(cat /run/lab/probed/pid) 2>/dev/null; kill $(cat /run/lab/probed/pid) 2>/dev/null' || true
	within 10 probed_gone || fail "the application does not end"
}

probed_gone() { # nobody listens any more
	! on edge-gw-01 ss -Hltn "sport = :$PROBED_HTTP" | grep -q .
}

probed_all() { # SIGNAL: to every process of it
	# shellcheck disable=SC2016 # expanded in there
	on edge-gw-01 sh -c 'kill -$1 $(cat /run/lab/probed/pid) $(pgrep -P $(cat /run/lab/probed/pid))' sh "$1"
}

# ---- Its probes --------------------------------------------------------------------------------------------------------

TIMES="interval: 400ms, timeout: 400ms"
TLS_TIME=1s

probes_of_application() {
	cat <<-END
		  - {name: web4, loopback: control, http: {url: "http://${LOOPBACK[4]}:$PROBED_HTTP/health", body: alive}, $TIMES}
		  - {name: web6, loopback: control, http: {url: "http://[${LOOPBACK[6]}]:$PROBED_HTTP/health", regex: "^it is"}, $TIMES}
		  - {name: open4, loopback: control, tcp: {to: "${LOOPBACK[4]}:$PROBED_HTTP"}, $TIMES}
		  - {name: open6, loopback: control, tcp: {to: "[${LOOPBACK[6]}]:$PROBED_HTTP"}, $TIMES}
		  - name: tls4
		    loopback: control
		    http: {url: "https://${LOOPBACK[4]}:$PROBED_TLS/health", ca_file: $PROBED/right.ca.pem, server_name: acs.example.net}
		    interval: $TLS_TIME
		    timeout: $TLS_TIME
		  - name: tls6
		    loopback: control
		    http: {url: "https://[${LOOPBACK[6]}]:$PROBED_TLS/health", ca_file: $PROBED/right.ca.pem, server_name: acs.example.net}
		    interval: $TLS_TIME
		    timeout: $TLS_TIME
	END
}

probes_of_tunnel() {
	cat <<-END
		  - {name: far4, tunnel: acme-lgw-01, icmp: {to: 169.254.11.2}, $TIMES}
		  - {name: far6, tunnel: acme-lgw-01, icmp: {to: "fd00:11::2"}, $TIMES}
		  - {name: switch, loopback: control, icmp: {to: 10.0.0.100}, through: eth0, $TIMES}
	END
}

probes_apply() { # PROBE-LINES: on edge-gw-01, until the scenario ends
	trap probes_clean EXIT
	CONFIG_EXTRA="probes:
$1" gateway_config 1 "$ATTACH" >"$LAB/edge-gw-01/lab/probes.yaml"
	gwctl edge-gw-01 config apply /run/lab/probes.yaml
}

probes_clean() {
	probed_all CONT 2>/dev/null || true
	probed_kill
	on local-gw-01 nft delete table inet lab_probes 2>/dev/null || true
	gateway_config 1 "$ATTACH" >"$LAB/edge-gw-01/lab/plain.yaml"
	gwctl edge-gw-01 config apply /run/lab/plain.yaml >/dev/null || disturb
	within 20 announced || disturb
}

probe_is() { # PROBE STATE
	gwctl edge-gw-01 -j probe get "$1" | jq -e --arg state "$2" '.probes[0].state == $state'
}

probe_says() { # PROBE WORDS: of its last answer
	gwctl edge-gw-01 -j probe get "$1" | jq -e --arg words "$2" '.probes[0].last.result | contains($words)'
}

all_probes_are() { # STATE
	gwctl edge-gw-01 -j probe list | jq -e --arg state "$1" '.probes | length > 0 and all(.state == $state)'
}

status_of_1() { # its exit status says "degraded", which is what we look for
	gwctl edge-gw-01 -j status 2>/dev/null || [ $? = 1 ]
}

announced() {
	status_of_1 | jq -e .loopbacks[0].announced
}

withdrawn() {
	status_of_1 | jq -e '.loopbacks[0].announced | not'
}

answered_by() { # EDGE: both families
	[ "$(fetch "$(device_address 4 31)" 4 / --max-time 2)" = "edge-gw-0$1" ] &&
		[ "$(fetch "$(device_address 6 31)" 6 / --max-time 2)" = "edge-gw-0$1" ]
}

event_cause() { # OBJECT EVENT: of the newest
	gwctl edge-gw-01 -j events --no-follow | jq -rs --arg object "$1" --arg event "$2" \
		'map(select(.object == $object and .event == $event)) | last | .cause'
}

expect_like() { # WHAT PATTERN GOT
	[[ $3 =~ $2 ]] || fail "$1: wanted something like '$2', got '$3'"
}

# It is withdrawn for that reason, the device is answered by the other gateway, and status says why.
expect_withdrawn() { # PATTERN
	within 30 withdrawn || fail "the loopback is still announced: $(gwctl edge-gw-01 probe list)"
	within 30 answered_by 2 || fail "the device is not answered by edge-gw-02"
	expect_like "why it is withdrawn" "$1" "$(event_cause loopback withdrawn)"
	# shellcheck disable=SC2016 # jq's
	status_of_1 | jq -e --arg why "$1" '.degraded | any(startswith("loopback control is not announced: probe") and test($why))' \
		>/dev/null || fail "status does not say why: $(status_of_1 | jq -c .degraded)"
}

expect_announced() {
	within 40 announced || fail "the loopback is not announced again: $(gwctl edge-gw-01 probe list)"
	within 30 answered_by 1 || fail "the device is not answered by edge-gw-01 again"
}

application_stands() {
	probed_start
	probes_apply "$(probes_of_application)"
	within 20 all_probes_are up || fail "not all probes are up: $(gwctl edge-gw-01 probe list)"
	within 20 answered_by 1 || fail "the device is not answered by edge-gw-01"
}

# ---- Scenarios ---------------------------------------------------------------------------------------------------------

# A connection that lives goes on at the gateway whose application is dead.
scenario_probe_application_dead() {
	local family pids=()
	application_stands
	for family in 4 6; do
		fetch_big "$(device_address $family 3$family)" $family /slow &
		pids+=($!)
	done
	within 10 test_nonempty ways_of "$(device_address 6 36)" || fail "the download does not begin"
	probed_kill
	expect_withdrawn "probe (web|open|tls)[46] failed 3 times: Connection refused"
	probed_start
	expect_announced
	for family in "${pids[@]}"; do
		wait "$family" || fail "a connection that lived was lost"
	done
}

scenario_probe_application_wrong() {
	application_stands
	rm "$LAB/edge-gw-01/lab/probed/www/health"
	expect_withdrawn "probe (web|tls)[46] failed 3 times: HTTP 503"
	echo "it is dead" >"$LAB/edge-gw-01/lab/probed/www/health"
	within 20 probe_is web6 up || fail "web6 asks for another text"
	within 20 probe_says web4 'no "alive" in it' || fail "nobody says what the body has not: $(gwctl edge-gw-01 probe list)"
	within 20 probe_is web4 down || fail "web4 is content with another text"
	echo "it is alive" >"$LAB/edge-gw-01/lab/probed/www/health"
	expect_announced
}

scenario_probe_application_slow() {
	application_stands
	probed_all STOP
	expect_withdrawn "probe (web|tls)[46] failed 3 times: no answer in"
	within 20 probe_is open4 up || fail "the kernel takes connections as ever"
	probed_all CONT
	expect_announced
}

scenario_probe_wrong_certificate() {
	application_stands
	probed_shows wrong
	probed_all HUP
	expect_withdrawn "probe tls[46] failed 3 times: .*certificate"
	expect "the state of what does not ask by TLS" up "$(gwctl edge-gw-01 -j probe get web4 | jq -r '.probes[0].state')"
	probed_shows right
	probed_all HUP
	expect_announced
}

# It comes and goes every second: routers far away hear of it less and less often.
scenario_probe_flaps() {
	local round file=$LAB/edge-gw-01/lab/probed/www/health before after
	probed_start
	probes_apply "  - {name: web4, loopback: control, http: {url: \"http://${LOOPBACK[4]}:$PROBED_HTTP/health\"}, interval: 100ms, timeout: 100ms}"
	within 20 probe_is web4 up
	within 20 announced
	before=$(gwctl edge-gw-01 -j events --no-follow | jq -s 'map(select(.event == "withdrawn")) | length')
	for round in {1..12}; do
		rm "$file"
		sleep 1
		echo "it is alive" >"$file"
		sleep 1
	done
	after=$(gwctl edge-gw-01 -j events --no-follow | jq -s 'map(select(.event == "withdrawn")) | length')
	[ $((after - before)) -ge 2 ] || fail "it was withdrawn $((after - before)) times in $round rounds"
	[ $((after - before)) -le $((round / 2)) ] || fail "it was withdrawn $((after - before)) times in $round rounds"
	expect_like "why it stays down" "held down for [0-9]+ s" "$(event_cause probe down)"
	within 60 announced || fail "what is well again is not announced"
}

# BFD and BGP are up, and whoever is behind takes no ping: the tunnel is left, and its cause told.
scenario_probe_tunnel() {
	local family
	probed_start
	probes_apply "$(probes_of_tunnel)"
	within 20 all_probes_are up || fail "not all probes are up: $(gwctl edge-gw-01 probe list)"
	on local-gw-01 nft -f - <<-END
		table inet lab_probes {
		  chain input {
		    type filter hook input priority 0;
		    iifname "edge-gw-01" icmp type echo-request drop
		    iifname "edge-gw-01" icmpv6 type echo-request drop
		  }
		}
	END
	within 30 tunnel_is false || fail "the tunnel is usable still: $(gwctl edge-gw-01 probe list)"
	expect_like "why the tunnel is not usable" "probe far[46] failed 3 times: no answer in" "$(event_cause tunnel not_usable)"
	expect "BFD and BGP of it" "up up" "$(gwctl edge-gw-01 -j tunnel get acme-lgw-01 | jq -r '.tunnels[0] | "\(.bfd) \(.bgp)"')"
	for family in 4 6; do
		fetch "$(device_address $family 33)" $family / >/dev/null || fail "the device is not answered by another way"
	done
	on local-gw-01 nft delete table inet lab_probes
	within 40 tunnel_is true || fail "the tunnel is not usable again: $(gwctl edge-gw-01 probe list)"
}

tunnel_is() { # USABLE
	gwctl edge-gw-01 -j tunnel get acme-lgw-01 | jq -e ".tunnels[0].usable == $1"
}

# Neither a probe that comes nor a gwd that starts takes anything out of service by itself.
scenario_probe_comes_and_goes() {
	local dead="  - {name: dead, loopback: control, tcp: {to: \"${LOOPBACK[4]}:1\"}, $TIMES}" before
	application_stands
	before=$(gwctl edge-gw-01 -j probe get web4 | jq '.probes[0].attempts')
	probes_apply "$(probes_of_application)
$dead"
	within 20 probe_is dead down || fail "nobody listens there"
	announced >/dev/null || fail "a probe that never was up tore the loopback down"
	[ "$(gwctl edge-gw-01 -j probe get web4 | jq '.probes[0].attempts')" -ge "$before" ] || fail "what is known of a probe is lost"
	probes_apply "$(probes_of_application)"
	probed_kill
	expect_withdrawn "probe (web|open|tls)[46] failed 3 times: Connection refused"
	another_gwd
	withdrawn >/dev/null || fail "another gwd announces what is dead"
	probed_start
	expect_announced
	another_gwd
	within 20 all_probes_are up
	expect "what the gwd after it withdrew" null "$(event_cause loopback withdrawn)"
	probed_kill
	within 30 withdrawn
	probes_clean
	within 20 announced || fail "without probes it is announced"
}

another_gwd() { # killed, and started with what is in force
	# shellcheck disable=SC2016 # expanded in there
	on edge-gw-01 sh -c 'kill -KILL $(cat /run/lab/gwd.pid)'
	within 10 gateway_gone edge-gw-01
	gateway_launch 1
}
