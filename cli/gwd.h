/* SPDX-License-Identifier: Apache-2.0 */
/* Some questions need no running daemon, only its opinion: they are asked of the program gwd itself. */
#ifndef CLI_GWD_H
#define CLI_GWD_H

/*
 * Becomes gwd: the one beside gwctl, as it is built and installed, else wherever PATH says. Ends the process, by
 * 127 when there is none.
 */
void exec_gwd(char *const arguments[]) __attribute__((noreturn));

#endif
