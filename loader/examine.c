// SPDX-License-Identifier: Apache-2.0
/* gwd --doctor: the doctor's facts, and those that only apply can see. */
#include "examine.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "apply/bpf.h"
#include "base/cleanup.h"
#include "bpf/abi.h"
#include "ctl/protocol.h"
#include "ctl/rows.h"
#include "doctor/doctor.h"

static void add_filtered(const char *pin_dir, struct facts *facts)
{
	static const uint32_t reasons[FILTER_REASONS] = {REASON_filtered_unserved, REASON_filtered_stranger,
		REASON_filtered_outside, REASON_filtered_own_source};
	struct reason_count totals[REASON_COUNT] = {0};

	bpf_reasons(pin_dir, totals, NULL);
	for (size_t i = 0; i < FILTER_REASONS; i++) {
		uint32_t reason = reasons[i], watched = WATCHED(reason);

		facts->dropped[i] = (struct filtered_facts){reason_name(reason), totals[reason].packets};
		facts->watched[i] = (struct filtered_facts){reason_name(watched), totals[watched].packets};
	}
}

static void add_uplink(const char *name, const char *pin_dir, struct uplink_facts *uplink)
{
	snprintf(uplink->xdp_mode, sizeof(uplink->xdp_mode), "%s", bpf_xdp_mode(name));
	uplink->xdp_alone = bpf_xdp_is_alone(name);
	uplink->xdp_relays = bpf_xdp_relays(pin_dir, name);
	uplink->filter = bpf_filter_mode(pin_dir, name);
}

static void add_facts(const struct model *model, const char *pin_dir, struct facts *facts)
{
	const struct member *self = model_member_by_number(model, model->number);
	struct error error = {0};

	if (bpf_probe(&error) < 0)
		snprintf(facts->bpf_trouble, sizeof(facts->bpf_trouble), "%s", error.text);
	snprintf(facts->libbpf, sizeof(facts->libbpf), "%s", libbpf_version_string());
	facts->relay_overhead = self ? (int)bpf_relay_overhead(address_family(&self->address)) : 0;
	for (size_t i = 0; i < model_uplink_count(model); i++)
		add_uplink(model_uplink(model, i), pin_dir, &facts->uplinks[i]);
	add_filtered(pin_dir, facts);
}

int examine(const struct model *model, const char *run_dir, const char *pin_dir, bool json)
{
	_cleanup_(facts_free) struct facts facts = {0};
	_cleanup_(diagnosis_free) struct diagnosis diagnosis = {0};
	int r = doctor_probe(model, pin_dir, &facts);

	if (r == 0) {
		add_facts(model, pin_dir, &facts);
		examine_running(model, run_dir, &facts);
		r = doctor_judge(model, &facts, &diagnosis);
	}
	if (r < 0) {
		fprintf(stderr, "gwd: --doctor: %s\n", strerror(-r));
		return REPLY_DEGRADED;
	}
	if (json)
		diagnosis_print_json(&diagnosis, stdout);
	else
		diagnosis_print(&diagnosis, stdout);
	return diagnosis_worst(&diagnosis) == FINDING_PROBLEM ? REPLY_DEGRADED : REPLY_FINE;
}
