// SPDX-License-Identifier: Apache-2.0
/* On which uplinks XDP may send: those where no checksum is unfinished. */
#include "apply/bpf_turning.h"
#include "unit.h"

static void a_card_of_its_own_driver_may(void)
{
	CU_ASSERT(turning_is_safe("native", "", "ixgbe"));
	CU_ASSERT(turning_is_safe("native", "", "mlx5_core"));
	CU_ASSERT(turning_is_safe("native", "", "ena"));
	CU_ASSERT(turning_is_safe("native", "", "virtio_net"));
}

static void behind_an_skb_nothing_may(void)
{
	CU_ASSERT_FALSE(turning_is_safe("generic", "", "virtio_net"));
	CU_ASSERT_FALSE(turning_is_safe("none", "", "ixgbe"));
}

static void what_the_kernel_made_may_not(void)
{
	CU_ASSERT_FALSE(turning_is_safe("native", "veth", "veth"));
	CU_ASSERT_FALSE(turning_is_safe("native", "tun", "tun"));
	CU_ASSERT_FALSE(turning_is_safe("native", "bond", "bonding"));
	CU_ASSERT_FALSE(turning_is_safe("native", "netkit", ""));
}

static void of_whom_it_is_not_known_may_not(void)
{
	CU_ASSERT_FALSE(turning_is_safe("native", "", ""));
	CU_ASSERT_FALSE(turning_is_safe("native", "", "vif"));
	CU_ASSERT_FALSE(turning_is_safe("native", "", "hv_netvsc"));
	CU_ASSERT_FALSE(turning_is_safe("native", "", "vmxnet3"));
}

UNIT_TESTS("turning", {"a card of its own driver may", a_card_of_its_own_driver_may},
	{"behind an skb nothing may", behind_an_skb_nothing_may},
	{"what the kernel made may not", what_the_kernel_made_may_not},
	{"of whom it is not known may not", of_whom_it_is_not_known_may_not})
