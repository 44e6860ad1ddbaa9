/* SPDX-License-Identifier: Apache-2.0 */
/* How long to wait before something that ended is started again: at once is a busy loop, and long is an outage. */
#ifndef BASE_BACKOFF_H
#define BASE_BACKOFF_H

#include <stdint.h>

#define BACKOFF_FIRST_MS  1000
#define BACKOFF_MOST_MS   30000
#define BACKOFF_FORGET_MS 60000 /* whoever lived so long has earned a fresh start */

/* `before_ms`: the wait before the life that ended now; 0: there was none. `lived_ms`: how long that life was. */
uint32_t backoff_next(uint32_t before_ms, uint64_t lived_ms);

#endif
