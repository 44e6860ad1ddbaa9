/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What BIRD is to do, as text. Pure: a model goes in, files come out; bird/daemon.h puts them on disk.
 *
 * The policy (filters, timers, how a marker route works) is hand-written in templates/bird.conf, which is the
 * same on every gateway and includes small generated files. One MP-BGP session (RFC 4760) a neighbour
 * carries both families: whatever family the session itself runs over, a family is carried when the tunnel
 * has an address of it, which is the next hop then. BFD is RFC 5880 and 5881.
 *
 * A name in BIRD is made from the tunnel's number, not from its name: numbers are valid symbols and do not
 * change when a tunnel is renamed. The tunnel's name is the protocol's description. A router has no number: its
 * name is quoted.
 */
#ifndef BIRD_RENDER_H
#define BIRD_RENDER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/announcement.h"
#include "base/error.h"
#include "model.h"

/* The part of our BGP protocols' names in front of the tunnel's number, and of the router's name. */
#define BIRD_SESSION_PREFIX "hw_bgp_"
#define BIRD_ROUTER_PREFIX  "hw_router_"
#define BIRD_ANNOUNCE_V4    "hw_announce4"
#define BIRD_ANNOUNCE_V6    "hw_announce6"

/* bird.conf, as it stands. */
extern const char *const bird_template;

/*
 * All below give a text that the caller frees, and answer 0 or a negative errno. `log_file` is an absolute
 * path.
 */
int bird_render_node(const struct model *model, const char *log_file, char **text, struct error *error);
int bird_render_tunnels(const struct model *model, char **text, struct error *error);
int bird_render_routers(const struct model *model, char **text, struct error *error);
/* What leaves has the community GRACEFUL_SHUTDOWN (RFC 8326), by which a neighbour prefers any other way. */
int bird_render_announce(
	const struct model *model, const struct announcement *announcement, char **text, struct error *error);

/*
 * The included file that holds one neighbour's password. A secret that BIRD could not read as it is meant is
 * refused: BIRD knows no escapes within quotes, and TCP MD5 (RFC 2385) takes 80 bytes. The error never quotes
 * the secret.
 */
#define BIRD_PASSWORD_MAX 80
int bird_render_password(const char *secret, char **text, struct error *error);
/* Names, written to BIRD_NAME_SIZE bytes: "password-101.conf", "password-router-ixp-1.conf", "hw_bgp_101", "hw_router_ixp-1". */
#define BIRD_NAME_SIZE 96
const char *bird_password_file(uint16_t tunnel, char *name);
const char *bird_router_password_file(const char *router, char *name);
const char *bird_tunnel_session(uint16_t tunnel, char *name);
const char *bird_router_session(const char *router, char *name);

/*
 * Ours among all routers, also among the gateways that own the same loopbacks: the gateway's v4 address in
 * the array, or, where that is v6, 240.0.0.0/4 with 28 bits made of it (RFC 6286: any number will do that no
 * other router has).
 */
struct address bird_router_id(const struct model *model);

/* The tunnel that a protocol of this name belongs to; false when it is none of our BGP sessions. */
bool bird_session_tunnel(const char *protocol, uint16_t *tunnel);
/* The router's name in a protocol's; NULL: it is no router's session. */
const char *bird_session_router(const char *protocol);

#endif
