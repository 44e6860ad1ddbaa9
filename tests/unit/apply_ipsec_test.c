// SPDX-License-Identifier: Apache-2.0
/* An IPsec tunnel against a charon of strongSwan's: a change that it refuses, one that hangs, one that dies. */
#include "apply_machine.h"

#include <poll.h>
#include <signal.h>
#include <time.h>

#include "apply/ipsec.h"

#define PSK_FILE WORK "/acme.psk"

static char *proposals[] = {"aes256gcm16-ecp384"};
static pid_t charon;

/* Where the kernel has ESP it serves all tunnels; else it goes with its interface. */
static const char *child_name(void)
{
	return ipsec_kernel.check(apply, NULL) == 0 ? IPSEC_CHILD : "hwt-one";
}

static void a_tunnel_stands(void)
{
	struct error error = {0};

	write_file(PSK_FILE, "the secret of acme\n");
	model.tunnel_count = 1;
	tunnels[0].wireguard.enabled = false;
	tunnels[0].ipsec = (struct ipsec){.enabled = true,
		.psk_file = PSK_FILE,
		.rekey_ike_ms = 14400000,
		.rekey_esp_ms = 3600000,
		.dpd_ms = 10000,
		.esp_proposals = proposals,
		.esp_proposal_count = 1};
	address_parse("10.0.0.99", &tunnels[0].ipsec.remote);
	CU_ASSERT_EQUAL_FATAL(apply_preflight(apply, &model, NULL, &error), 0);
	CU_ASSERT_EQUAL_FATAL(reach(&model, &error), 0);
	CU_ASSERT(nothing_to_do());
	charon = ipsec_charon_pid(apply);
	CU_ASSERT(charon > 0);
}

/* What a configuration cannot know: strongSwan in user space bears one tunnel, and packets of 1400 bytes. */
static void a_driver_has_its_limits(void)
{
	bool in_kernel = ipsec_kernel.check(apply, NULL) == 0;
	struct tunnel two[2] = {tunnels[0], tunnels[0]};
	struct model changed = model;
	struct error error = {0};

	changed.array.mtu = 1401;
	CU_ASSERT_EQUAL(apply_preflight(apply, &changed, &model, &error), in_kernel ? 0 : -EMSGSIZE);
	CU_ASSERT(in_kernel || strstr(error.text, "try: array.mtu: 1400"));
	changed = model;
	two[1].name = "hwt-two";
	changed.tunnels = two;
	changed.tunnel_count = 2;
	CU_ASSERT_EQUAL(apply_preflight(apply, &changed, &model, &error), in_kernel ? 0 : -EOPNOTSUPP);
	CU_ASSERT(in_kernel || strstr(error.text, "one such tunnel is possible"));
}

/* What was told before stands: also for whoever compares. */
static void a_refused_change_changes_nothing(void)
{
	struct tunnel changed_tunnel = tunnels[0];
	struct model changed = model;
	struct error error = {0};

	changed.tunnels = &changed_tunnel;
	changed_tunnel.ipsec.esp_proposals = (char *[]){"aes256gcm-16"};
	CU_ASSERT_EQUAL(reach(&changed, &error), -EPROTO);
	CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "charon refuses"));
	CU_ASSERT(nothing_to_do());
	CU_ASSERT_EQUAL(ipsec_charon_pid(apply), charon);
}

/* Its queue of connections is full, too. */
static void stop_charon(void)
{
	struct ipsec_status status;

	kill(charon, SIGSTOP);
	for (int i = 0; i < 6; i++) {
		apply->ipsec_silent_until_ms = 0;
		CU_ASSERT_FALSE(ipsec_sas(apply, "hwt-one", &status));
	}
	CU_ASSERT(ipsec_is_silent(apply));
}

/* Neither healing nor a gwd that starts is held up; and a change is refused, with words. */
static void one_that_hangs_holds_nobody_up(void)
{
	struct tunnel changed_tunnel = tunnels[0];
	struct model changed = model;
	struct error error = {0};
	struct apply *successor;

	stop_charon();
	CU_ASSERT_EQUAL(ipsec_charon_pid(apply), charon);
	CU_ASSERT(nothing_to_do());
	CU_ASSERT_EQUAL(apply_preflight(apply, &model, &model, &error), 0);
	CU_ASSERT_EQUAL_FATAL(apply_open(PINS, WORK, &successor, &error), 0);
	CU_ASSERT_EQUAL(apply_preflight(successor, &model, NULL, &error), 0);
	CU_ASSERT_EQUAL(apply_adopt(successor, &error), 0);
	CU_ASSERT_EQUAL(child_pid(apply_children(successor), child_name()), charon);
	apply_close(successor);
	changed.tunnels = &changed_tunnel;
	changed_tunnel.ipsec.dpd_ms = 20000;
	CU_ASSERT_EQUAL(reach(&changed, &error), -EAGAIN);
	CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "charon does not answer"));
}

/* Until the child's end is told, for half a minute at most. */
static bool is_ended(struct child_end *end)
{
	for (int i = 0; i < 300; i++) {
		apply_tend(apply, &model);
		if (children_next_end(apply_children(apply), end))
			return true;
		nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
	}
	return false;
}

static void one_that_hangs_is_replaced(void)
{
	struct child_end end = {0};
	struct error error = {0};

	CU_ASSERT_FATAL(is_ended(&end));
	CU_ASSERT_EQUAL(end.pid, charon);
	CU_ASSERT_FALSE(process_alive(charon));
	CU_ASSERT_FALSE(child_is_due(apply_children(apply), child_name()));
	CU_ASSERT_EQUAL(reach(&model, &error), 0);
	CU_ASSERT(nothing_to_do());
	CU_ASSERT(ipsec_charon_pid(apply) > 0 && ipsec_charon_pid(apply) != charon);
}

/* As when a tunnel leaves while its charon is dead and not yet due. */
static void a_dead_one_leaves_nothing(void)
{
	struct child_end end = {0};
	struct error error = {0};

	charon = ipsec_charon_pid(apply);
	kill(charon, SIGKILL);
	CU_ASSERT_FATAL(is_ended(&end));
	CU_ASSERT_EQUAL(reach(NULL, &error), 0);
	CU_ASSERT_EQUAL(apply_tidy(apply, &model, &error), 0);
	CU_ASSERT_EQUAL(access(WORK "/ipsec/hwt-one", F_OK), 0);
	CU_ASSERT_EQUAL(apply_tidy(apply, NULL, &error), 0);
	CU_ASSERT_EQUAL(access(WORK "/ipsec", F_OK), -1);
	CU_ASSERT(is_as_before());
	CU_ASSERT_EQUAL(reach(&model, &error), 0);
}

static void one_that_hangs_ends_with_the_gateway(void)
{
	struct error error = {0};

	charon = ipsec_charon_pid(apply);
	stop_charon();
	CU_ASSERT_EQUAL(reach(NULL, &error), 0);
	CU_ASSERT_FALSE(process_alive(charon));
	CU_ASSERT_EQUAL(access(WORK "/ipsec", F_OK), -1);
	CU_ASSERT(is_as_before());
}

APPLY_TESTS("apply ipsec", {"a tunnel stands", a_tunnel_stands},
	{"what a driver does not bear is refused", a_driver_has_its_limits},
	{"a change that charon refuses changes nothing", a_refused_change_changes_nothing},
	{"a charon that hangs holds nobody up", one_that_hangs_holds_nobody_up},
	{"a charon that hangs is replaced", one_that_hangs_is_replaced},
	{"a charon that died leaves nothing", a_dead_one_leaves_nothing},
	{"a charon that hangs ends with the gateway", one_that_hangs_ends_with_the_gateway})
