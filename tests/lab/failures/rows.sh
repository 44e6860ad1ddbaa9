# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# The rows of the failure table: what happens (act_NAME), what it needs first (before_NAME), and what is to be undone that
# scenario_reset does not know of (undo_NAME). The event's time is taken right before act_NAME; the devices ask for
# SECONDS after what is done, and on until they are answered. Tunnels (EL: edge-gw-0E, local-gw-0L;
# rL: the ixp-router at local-gw-0L) that the row does not name may not go.
#
# KIND is what the goal goes by: `path` and `application` die, `timeout` is one that is silent, `command` loses nothing, `none` has
# no goal of its own.

# shellcheck disable=SC2034 # run's and table.py's
ROWS=(
	# NAME                    SETTINGS               SECONDS TUNNELS KIND        WHAT
	"path_silent              ours-10,ours-50,frr-50       4 11      path        The path of the tunnel in use goes silent"
	"paths_silent             ours-10,ours-50,frr-50       4 11,21   path        All paths of local-gw-01 go silent, and the ixp-router moves"
	"peer_dead                ours-10,ours-50,frr-50       4 11      path        The tunnel's WireGuard dies at edge-gw-01"
	"gateway_off              ours-10,ours-50,frr-50       7 11,12   path        edge-gw-01 loses its power"
	"gwd_killed               ours-50,frr-50               4 -       command     gwd of edge-gw-01 is killed, and starts again after 1 s"
	"local_gwd_killed         ours-50                      4 -       command     gwd of local-gw-01 is killed, and starts again after 1 s"
	"bird_killed              ours-50,frr-50               6 11,12   none        BIRD of edge-gw-01 is killed"
	"application_dead         ours-50,frr-50               5 11,12   application The application at edge-gw-01 is killed"
	"application_slow         ours-50,frr-50               5 11,12   timeout     It takes connections and answers no more"
	"application_wrong        ours-50,frr-50               5 11,12   application It answers 503"
	"application_certificate  ours-50,frr-50               5 11,12   application It shows another authority's certificate (who asks without TLS is answered)"
	"application_flaps        ours-50,frr-50               6 11,12   none        It is wrong every other second, five times"
	"ixp_router_reboots       ours-50,frr-50              12 r1,r2   none        The ixp-router loses its power for 2 s"
	"primary_back             ours-50,frr-50               6 11      command     The silent path works again, with preempt"
	"primary_back_no_preempt  ours-50                      6 11      command     The same without preempt"
	"gateway_drained          ours-50,frr-50               7 11,12   command     gateway drain at edge-gw-01"
	"tunnel_disabled          ours-50                      7 11      command     tunnel disable at local-gw-01"
	"egress_switched          ours-50                      4 -       command     egress switch at local-gw-01"
)

# ---- Paths ---------------------------------------------------------------------------------------------------------------

act_path_silent() { cut 1 1; }

act_paths_silent() { cut 1 1 2 1; }

act_peer_dead() {
	disturb
	on edge-gw-01 pkill -KILL -f -x "wireguard-go -f acme-lgw-01"
}

act_gateway_off() { machine_off edge-gw-01; }

before_primary_back() {
	cut 1 1
	within 20 answered_by 2 || fail "edge-gw-02 does not take over"
}

act_primary_back() { mend; }

before_primary_back_no_preempt() {
	local_preempts no
	before_primary_back
}

act_primary_back_no_preempt() { mend; }

undo_primary_back_no_preempt() {
	mend
	local_preempts yes
}

local_preempts() { # yes|no
	PREEMPT=$1 local_config 1 >"$LAB/local-gw-01/lab/next.yaml"
	gwctl local-gw-01 config apply /run/lab/next.yaml
}

# ---- Daemons -------------------------------------------------------------------------------------------------------------

gwd_dies_and_returns() { # MACHINE
	disturb
	# shellcheck disable=SC2016
	on "$1" sh -c 'kill -KILL $(cat /run/lab/gwd.pid)'
	sleep 1
	gwd_launch "$1"
}

act_gwd_killed() { gwd_dies_and_returns edge-gw-01; }

act_local_gwd_killed() { gwd_dies_and_returns local-gw-01; }

act_bird_killed() {
	disturb
	on edge-gw-01 pkill -KILL -x bird
}

# Its daemons end and its links lose their carrier.
act_ixp_router_reboots() {
	disturb
	ixp_router_down
	sleep 2
	ixp_router_up
}

ixp_router_down() {
	# shellcheck disable=SC2016
	on ixp-router sh -c 'for i in devices local-gw-01 local-gw-02; do ip link set $i down; done; kill -KILL $(cat /run/frr/*.pid)'
}

ixp_router_up() {
	on ixp-router ip -batch - <<-END
		link set devices up
		link set local-gw-01 up
		link set local-gw-02 up
		addr replace 2001:db8:100:1::1/64 dev devices
		addr replace fd31:1::1/64 dev local-gw-01
		addr replace fd31:2::1/64 dev local-gw-02
	END
	topology_routes ixp-router
	frr_start ixp-router "$(bgp_of_ixp_router)"
}

# ---- The application -----------------------------------------------------------------------------------------------------
#
# Both gateways have it, and edge-gw-01 asks its own by probes (scenarios/probes.sh): each 200 ms, three failures are down.

before_application() {
	TIMES="interval: 200ms, timeout: 200ms" TLS_TIME=200ms
	[ -e "$LAB/edge-gw-02/lab/probed/pid" ] || PROBED_EDGE=edge-gw-02 probed_start
	probed_start
	probes_apply "$(probes_of_application)" # that of itself undoes it
	within 20 all_probes_are up || fail "not all probes are up: $(gwctl edge-gw-01 probe list)"
}

before_application_dead() { before_application; }
before_application_slow() { before_application; }
before_application_wrong() { before_application; }
before_application_certificate() { before_application; }
before_application_flaps() { before_application; }

act_application_dead() { probed_all KILL; }

act_application_slow() { probed_all STOP; }

act_application_wrong() { rm "$LAB/edge-gw-01/lab/probed/www/health"; }

act_application_certificate() {
	probed_shows wrong
	probed_all HUP
}

act_application_flaps() {
	local file=$LAB/edge-gw-01/lab/probed/www/health
	for _ in {1..5}; do
		rm "$file"
		sleep 1
		echo "it is alive" >"$file"
		sleep 1
	done
}

# ---- Operators -----------------------------------------------------------------------------------------------------------

act_gateway_drained() { gwctl edge-gw-01 gateway drain; }

undo_gateway_drained() { gwctl edge-gw-01 gateway undrain; }

act_tunnel_disabled() {
	disturb
	gwctl local-gw-01 tunnel disable edge-gw-01
}

act_egress_switched() { gwctl local-gw-01 egress switch platform edge-gw-02; }

undo_egress_switched() { gwctl local-gw-01 egress switch platform edge-gw-01; }
