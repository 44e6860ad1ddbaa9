/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A unit test program: rows of name and function, run by CUnit, told a line a test as tests/run reads it. CUnit's own
 * runner returns success with failed tests, so the exit status is taken from its count of failures.
 *
 *	UNIT_TESTS("scan", {"refuses a leading zero", refuses_leading_zero}, …)
 */
#ifndef UNIT_H
#define UNIT_H

#include <CUnit/CUnit.h>
#include <CUnit/TestRun.h>
#include <stdio.h>
#include <stdlib.h>

struct unit_test {
	const char *name;
	void (*function)(void);
};

static const char *unit_suite;

static void unit_report(const CU_pTest test, const CU_pSuite suite, const CU_pFailureRecord failure)
{
	(void)suite;
	if (!failure) {
		printf("PASS %s: %s\n", unit_suite, test->pName);
		return;
	}
	printf("FAIL %s: %s: %s:%u: %s\n", unit_suite, test->pName, failure->strFileName,
		failure->uiLineNumber, failure->strCondition);
}

static int unit_run(const char *name, const struct unit_test *tests, size_t count)
{
	CU_pSuite suite;
	unsigned failures;

	unit_suite = name;
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (CU_initialize_registry() != CUE_SUCCESS)
		return 1;
	CU_set_test_complete_handler(unit_report);
	suite = CU_add_suite(name, NULL, NULL);
	for (size_t i = 0; i < count; i++)
		CU_add_test(suite, tests[i].name, tests[i].function);
	CU_run_all_tests();
	failures = CU_get_number_of_failures();
	CU_cleanup_registry();
	return failures > 0;
}

#define UNIT_TESTS(name, ...)                                                   \
	int main(void)                                                          \
	{                                                                       \
		static const struct unit_test tests[] = {__VA_ARGS__};          \
		return unit_run(name, tests, sizeof(tests) / sizeof(tests[0])); \
	}

#endif
