/* SPDX-License-Identifier: Apache-2.0 */
/* A test program of functions, like tests/unit/unit.h, that has the scene. */
#ifndef TESTS_BPF_SCENE_TEST_H
#define TESTS_BPF_SCENE_TEST_H

#include "tests/bpf/scene.h"
#include "tests/unit/unit.h"

#define SCENE_TESTS(name, ...)                                                    \
	int main(void)                                                            \
	{                                                                         \
		static const struct unit_test tests[] = {__VA_ARGS__};            \
		int failed;                                                       \
		scene_open();                                                     \
		failed = unit_run(name, tests, sizeof(tests) / sizeof(tests[0])); \
		scene_close();                                                    \
		return failed;                                                    \
	}

#endif
