/* The clock of every wait, deadline and claim. It counts the time during which the computer slept: a run on a laptop
 * whose lid was closed for an hour must find its claims expired and its deadlines passed, and CLOCK_MONOTONIC stands
 * still meanwhile. Setting the date does not move it. Each boot starts again at 0: a time means something only together
 * with the boot's id. */
#ifndef GP_CLOCK_H
#define GP_CLOCK_H

#include <stdint.h>
#include <time.h>

#define GP_CLOCK CLOCK_BOOTTIME

/* Nanoseconds since the computer was started. */
int64_t gp_clock_now(void);

#endif
