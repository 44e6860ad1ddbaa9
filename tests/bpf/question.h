/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The question that `flow explain` would ask about a row's packet, so that every row also shows that the explanation is
 * what the data plane then does.
 */
#ifndef TESTS_BPF_QUESTION_H
#define TESTS_BPF_QUESTION_H

#include "tests/bpf/rows.h"

/* False: nobody can ask it, since it is about bytes: what is malformed, an error that quotes somebody else's packet. */
bool question_of(const struct row *row, enum family family, struct explanation *question);
/* Runs `explain`. */
struct explanation answer_to(const struct explanation *question);

#endif
