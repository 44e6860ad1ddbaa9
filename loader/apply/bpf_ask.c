// SPDX-License-Identifier: Apache-2.0
/* The running data plane: which ways are usable, where a packet would go, what was counted. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "apply/bpf.h"
#include "apply/bpf_pins.h"
#include "base/cleanup.h"
#include "bpf/abi.h"

int bpf_usable_read(const char *pin_dir, uint8_t gateway, struct usable_entry *entry, struct error *error)
{
	_cleanup_close_ int map = bpf_map_open(pin_dir, MAP_USABLE, NULL, error);
	uint32_t key = gateway;

	memset(entry, 0, sizeof(*entry));
	if (map == -ENOENT)
		return 0;
	if (map < 0)
		return map;
	if (bpf_map_lookup_elem(map, &key, entry) < 0)
		return error_errno(error, -errno, "reading the map %s", MAP_USABLE);
	return 0;
}

int bpf_usable_set(const char *pin_dir, uint8_t gateway, uint16_t tunnel, bool usable, struct error *error)
{
	_cleanup_close_ int map = bpf_map_open(pin_dir, MAP_USABLE, NULL, error);
	struct usable_entry entry;
	uint64_t bit = 1ULL << (tunnel % 64);
	uint32_t key = gateway;

	if (map < 0)
		return map;
	if (bpf_map_lookup_elem(map, &key, &entry) < 0)
		return error_errno(error, -errno, "reading the map %s", MAP_USABLE);
	if (usable)
		entry.words[tunnel / 64] |= bit;
	else
		entry.words[tunnel / 64] &= ~bit;
	if (bpf_map_update_elem(map, &key, &entry, BPF_ANY) < 0)
		return error_errno(error, -errno, "writing the map %s", MAP_USABLE);
	return 0;
}

int bpf_settings_read(const char *pin_dir, struct settings *settings, struct error *error)
{
	_cleanup_close_ int map = bpf_map_open(pin_dir, MAP_SETTINGS, NULL, error);
	uint32_t zero = 0;

	if (map < 0)
		return map;
	if (bpf_map_lookup_elem(map, &zero, settings) < 0)
		return error_errno(error, -errno, "map " MAP_SETTINGS);
	return 0;
}

int bpf_explain(const char *pin_dir, struct explanation *question, struct error *error)
{
	struct pin pin = pin_program(pin_dir, "explain");
	_cleanup_close_ int program = pin_open(&pin, error);
	struct explanation answer;
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = question, .data_size_in = sizeof(*question),
		.data_out = &answer, .data_size_out = sizeof(answer));

	if (program < 0)
		return program;
	if (bpf_prog_test_run_opts(program, &options) < 0)
		return error_errno(error, -errno, "running the program explain");
	if (options.data_size_out != sizeof(answer))
		return error_set(
			error, -EPROTO, "the program explain answered %u bytes", options.data_size_out);
	*question = answer;
	return 0;
}

int bpf_reasons(const char *pin_dir, struct reason_count *totals, struct error *error)
{
	_cleanup_close_ int map = bpf_map_open(pin_dir, MAP_REASONS, NULL, error);
	int processors = libbpf_num_possible_cpus();
	_cleanup_free_ struct reason_count *counts = calloc(processors > 0 ? processors : 1, sizeof(*counts));

	if (map < 0)
		return map;
	if (processors < 0 || !counts)
		return error_errno(error, processors < 0 ? processors : -ENOMEM, "counting reasons");
	memset(totals, 0, REASON_COUNT * sizeof(*totals));
	for (uint32_t reason = 0; reason < REASON_COUNT; reason++) {
		if (bpf_map_lookup_elem(map, &reason, counts) < 0)
			return error_errno(error, -errno, "reading the map %s", MAP_REASONS);
		for (int i = 0; i < processors; i++) {
			totals[reason].packets += counts[i].packets;
			totals[reason].bytes += counts[i].bytes;
		}
	}
	return 0;
}
