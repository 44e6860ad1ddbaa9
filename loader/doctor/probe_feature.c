// SPDX-License-Identifier: Apache-2.0
/* A device's features by name, as ethtool(8) lists them: the kernel numbers them anew with each of its versions. */
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/cleanup.h"
#include "doctor/doctor.h"

#define BLOCK_BITS 32

int probe_ethtool(int fd, const char *interface, void *question)
{
	struct ifreq request = {.ifr_data = question};

	memcpy(request.ifr_name, interface, strnlen(interface, IF_NAMESIZE - 1));
	return ioctl(fd, SIOCETHTOOL, &request);
}

static uint32_t feature_count(int fd, const char *interface)
{
	struct {
		struct ethtool_sset_info info;
		uint32_t count;
	} question = {.info = {.cmd = ETHTOOL_GSSET_INFO, .sset_mask = 1ULL << ETH_SS_FEATURES}};

	return probe_ethtool(fd, interface, &question) == 0 ? question.count : 0;
}

/* `count`: there is none of that name. */
static uint32_t feature_number(int fd, const char *interface, const char *name, uint32_t count)
{
	_cleanup_free_ struct ethtool_gstrings *names =
		calloc(1, sizeof(*names) + (size_t)count * ETH_GSTRING_LEN);
	uint32_t i = 0;

	if (!names)
		return count;
	*names = (struct ethtool_gstrings){ETHTOOL_GSTRINGS, ETH_SS_FEATURES, count};
	if (probe_ethtool(fd, interface, names) < 0)
		return count;
	while (i < count &&
		strncmp((const char *)names->data + (size_t)i * ETH_GSTRING_LEN, name, ETH_GSTRING_LEN) != 0)
		i++;
	return i;
}

int probe_feature(int fd, const char *interface, const char *name)
{
	uint32_t count = feature_count(fd, interface), blocks = (count + BLOCK_BITS - 1) / BLOCK_BITS;
	uint32_t number = count ? feature_number(fd, interface, name, count) : 0;
	_cleanup_free_ struct ethtool_gfeatures *features =
		calloc(1, sizeof(*features) + blocks * sizeof(features->features[0]));

	if (!features || number == count)
		return UNKNOWN;
	*features = (struct ethtool_gfeatures){ETHTOOL_GFEATURES, blocks};
	if (probe_ethtool(fd, interface, features) < 0)
		return UNKNOWN;
	return features->features[number / BLOCK_BITS].active >> number % BLOCK_BITS & 1;
}
