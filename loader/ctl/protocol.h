/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control protocol: what gwd and gwctl agree on, and all that gwctl knows of gwd.
 *
 * A stream socket, `control.sock` in the run directory. The client sends a request a line,
 *	{"method": "flow.list", "arguments": {"tunnel": "acme-lgw-01"}}
 * and gets lines back: any number of rows, each an object without "code", and a last line that begins with it, as written
 * here, so that rows need not be read by who only passes them on,
 *	{"code":0}    or    {"code":3,"error":"no tunnel is called …"}
 * where the code is the exit status of gwctl. A code other than 0 may come after rows: `status` answers its
 * row and then 1 with what is degraded. Requests may be sent ahead; they are answered one after the other. A
 * request that is no such line is answered by code 2; one that is longer than REQUEST_SIZE_MAX (of root's:
 * REQUEST_SIZE_MAX_OF_ROOT) ends the connection, since where the next one begins is not known any more. docs/json.md
 * describes the rows.
 */
#ifndef CTL_PROTOCOL_H
#define CTL_PROTOCOL_H

#define PROTOCOL_SCHEMA          1
#define CONTROL_SOCKET           "control.sock"
#define RUN_DIR_DEFAULT          "/run/homeward"
#define REQUEST_SIZE_MAX         16384
#define REQUEST_SIZE_MAX_OF_ROOT (4 * 1024 * 1024) /* a configuration of 1 MiB, each byte escaped, and more */
#define REPLY_LAST_BEGINS        "{\"code\":"
#define MAP_DUMP_VERSION         2

/*        name, code, words */
#define REPLY_CODES(X)                                                    \
	X(FINE, 0, "fine")                                                \
	X(DEGRADED, 1, "degraded, or it differs")                         \
	X(USAGE, 2, "wrong usage")                                        \
	X(NOT_FOUND, 3, "not found")                                      \
	X(UNREACHABLE, 4, "the daemon cannot be reached")                 \
	X(NOT_PERMITTED, 5, "not permitted")                              \
	X(INVALID, 6, "a configuration or file is invalid or unreadable") \
	X(TIMED_OUT, 7, "timed out")

enum reply_code {
#define X(name, code, words) REPLY_##name = code,
	REPLY_CODES(X)
#undef X
};

#define METHOD_STATUS          "status"
#define METHOD_STATS           "stats"
#define METHOD_VERSION         "version"
#define METHOD_EVENTS          "events"
#define METHOD_FLOW_LIST       "flow.list"
#define METHOD_FLOW_GET        "flow.get"
#define METHOD_FLOW_COUNT      "flow.count"
#define METHOD_FLOW_FLUSH      "flow.flush"
#define METHOD_FLOW_EXPLAIN    "flow.explain"
#define METHOD_DEVICE_LIST     "device.list"
#define METHOD_DEVICE_GET      "device.get"
#define METHOD_TUNNEL_LIST     "tunnel.list"
#define METHOD_TUNNEL_GET      "tunnel.get"
#define METHOD_TUNNEL_DISABLE  "tunnel.disable"
#define METHOD_TUNNEL_ENABLE   "tunnel.enable"
#define METHOD_BGP_LIST        "bgp.list"
#define METHOD_BGP_GET         "bgp.get"
#define METHOD_PROBE_LIST      "probe.list"
#define METHOD_PROBE_GET       "probe.get"
#define METHOD_EGRESS_LIST     "egress.list"
#define METHOD_EGRESS_GET      "egress.get"
#define METHOD_EGRESS_SWITCH   "egress.switch"
#define METHOD_MAP_DUMP        "map.dump"
#define METHOD_CONFIG_SHOW     "config.show"
#define METHOD_CONFIG_DIFF     "config.diff"
#define METHOD_CONFIG_APPLY    "config.apply"
#define METHOD_CONFIG_CONFIRM  "config.confirm"
#define METHOD_CONFIG_ROLLBACK "config.rollback"
#define METHOD_GATEWAY_LIST    "gateway.list"
#define METHOD_GATEWAY_GET     "gateway.get"
#define METHOD_GATEWAY_DRAIN   "gateway.drain"
#define METHOD_GATEWAY_UNDRAIN "gateway.undrain"
#define METHOD_GATEWAY_SWITCH  "gateway.switch"
#define METHOD_GATEWAY_STOP    "gateway.stop"

/*     name, name on the wire, what its value is */
#define ARGUMENTS(X)                                                            \
	X(PROVIDER, "provider", "a provider's name")                            \
	X(TUNNEL, "tunnel", "a tunnel's name")                                  \
	X(SESSION, "session", "the name of a tunnel or of a router")            \
	X(EGRESS, "egress", "an egress group's name")                           \
	X(GATEWAY, "gateway", "a gateway's name")                               \
	X(ADDRESS, "address", "an address or a prefix")                         \
	X(PORT, "port", "1..65535")                                             \
	X(STATE, "state", "half_open, established or closing")                  \
	X(PROTOCOL, "protocol", "tcp, udp, icmp, or a number")                  \
	X(SOURCE, "source", "an address")                                       \
	X(SOURCE_PORT, "source_port", "0..65535; of an echo: its id")           \
	X(DESTINATION, "destination", "an address")                             \
	X(DESTINATION_PORT, "destination_port", "0..65535; of an echo: its id") \
	X(ALL, "all", "true: also without a filter")                            \
	X(FROM_TUNNEL, "from_tunnel", "a tunnel's name: it comes in there")     \
	X(FROM_UPLINK, "from_uplink", "true: it surfaces at an uplink")         \
	X(FROM_LAN, "from_lan", "a LAN interface of an egress group")           \
	X(ICMP_ERROR, "icmp_error", "true: an ICMP error about such a packet")  \
	X(FRAGMENT, "fragment", "the id of a fragment that is not the first")   \
	X(SIZE, "size", "bytes of the IP packet")                               \
	X(HOPS, "hops", "1..255, the TTL or hop limit as it surfaces")          \
	X(FOLLOW, "follow", "true: go on with what happens from now on")        \
	X(PROBE, "probe", "a probe's name")                                     \
	X(CONFIG, "config", "a configuration, the whole text of its file")      \
	X(FILE, "file", "what to call the configuration in words")              \
	X(CONFIRM_MS, "confirm_ms", "1000..86400000: how long to wait for confirmation")

enum argument_id {
#define X(name, wire, words) ARGUMENT_##name,
	ARGUMENTS(X)
#undef X
		ARGUMENT_COUNT
};

#define ARGUMENT_NAMES                    \
	{                                 \
		ARGUMENTS(ARGUMENT_NAME_) \
	}
#define ARGUMENT_NAME_(name, wire, words) [ARGUMENT_##name] = wire,

#endif
