// SPDX-License-Identifier: Apache-2.0
#include "conf/conf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "conf/check.h"
#include "conf/order.h"
#include "conf/read.h"
#include "conf/schema.h"
#include "conf/yaml.h"

/* The passes over what yaml.c has left. 0, also with problems; or what ended it. */
static int make_model(struct review *review, const char *clean, size_t size, struct model *model)
{
	struct raw raw = {0};
	int r = raw_load(review, clean, size, &raw);

	if (r == 0)
		r = read_model(review, raw.top, model);
	raw_free(&raw);
	if (r < 0)
		return r;
	check_model(review, model);
	if (review->error || review->problems->count)
		return review->error;
	return order_model(review, model);
}

static int review_bytes(struct review *review, const char *bytes, size_t size, struct model **model)
{
	_cleanup_(model_free_pointer) struct model *made = NULL;
	_cleanup_free_ char *clean = NULL;
	size_t clean_size;
	int r;

	if (size > CONF_SIZE_MAX) {
		review_problem_at(review, 0, "", "larger than %d bytes: no configuration is", CONF_SIZE_MAX);
		return -EINVAL;
	}
	r = yaml_review(review, bytes, size, &clean, &clean_size);
	if (r < 0)
		return r;
	made = review_allocate(review, 1, sizeof(*made));
	if (!made)
		return -ENOMEM;
	r = make_model(review, clean, clean_size, made);
	if (r == 0 && review->problems->count)
		r = -EINVAL;
	if (r == 0)
		*model = TAKE_PTR(made);
	return r;
}

static void begin(struct conf_problems *problems, const char *name, struct model **model)
{
	*problems = (struct conf_problems){.file = strdup(name)};
	*model = NULL;
}

int conf_parse(const char *bytes, size_t size, const char *name, struct model **model,
	struct conf_problems *problems)
{
	struct review review = {.problems = problems};
	int r;

	begin(problems, name, model);
	r = review_bytes(&review, bytes, size, model);
	if (r == -ENOMEM)
		review_problem_at(&review, 0, "", "no memory");
	review_end(&review);
	return r;
}

/* At most a byte more than a configuration may have: enough to see that it is too large. */
static int read_bytes(const char *path, char *bytes, size_t *size)
{
	FILE *file = fopen(path, "re");
	int r;

	if (!file)
		return -errno;
	*size = fread(bytes, 1, CONF_SIZE_MAX + 1, file);
	r = ferror(file) ? -errno : 0;
	fclose(file);
	return r;
}

int conf_read(const char *path, struct model **model, struct conf_problems *problems)
{
	struct review review = {.problems = problems};
	_cleanup_free_ char *bytes = review_allocate(&review, CONF_SIZE_MAX + 1, 1);
	size_t size = 0;
	int r = bytes ? read_bytes(path, bytes, &size) : -ENOMEM;

	if (r == 0)
		return conf_parse(bytes, size, path, model, problems);
	begin(problems, path, model);
	review_problem_at(&review, 0, "", "cannot be read: %s", strerror(-r));
	review_end(&review);
	return r;
}
