/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The types of scalars: text to value, strictly, and value to the one canonical text. What a reader says about a
 * bad value ends with what to write instead. Where a secret could have been pasted by mistake, the value is not
 * repeated.
 */
#ifndef CONF_TYPES_H
#define CONF_TYPES_H

#include "conf/settings.h"

/* A reader's way out. */
#define refuse(scalar, ...) error_set((scalar)->error, -EINVAL, __VA_ARGS__)

extern const struct type type_name, type_interface, type_number, type_power_of_two, type_duration,
	type_seconds, type_flag, type_choice, type_host, type_network, type_link, type_endpoint,
	type_public_key, type_file, type_identity, type_provider, type_loopback, type_tunnel, type_target,
	type_url, type_text, type_regex;

/* A copy of the text, which the model owns. 0, or -ENOMEM. */
int keep_text(const struct scalar *scalar, void *field);
const char *show_text(const struct setting *setting, const void *field, char *buffer);

/* "198.51.100.1:51820" or "[2001:db8::1]:51820". 0, or -EINVAL. */
int target_parse(const char *text, struct address *address, uint16_t *port);

/* Whether a text is 32 bytes in base64, as wg(8) writes keys. */
bool key_is_base64(const char *text);

#endif
