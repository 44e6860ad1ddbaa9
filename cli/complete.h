/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_COMPLETE_H
#define CLI_COMPLETE_H

#include <stdbool.h>
#include <stdio.h>

/*
 * What could stand in the place of the last word, a line each. The words are a command line without the program's
 * name and end with NULL; the last one is begun, perhaps empty. Answers 1 when a file's name belongs there, else 0.
 */
int complete(char **words, FILE *stream);

/* Whether it knows what a word of the tables stands for: TUNNEL, FILE. */
bool complete_knows(const char *kind);

#endif
