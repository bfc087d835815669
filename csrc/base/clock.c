#define _GNU_SOURCE
#include "base/clock.h"

int64_t gp_clock_now(void)
{
    struct timespec now;
    clock_gettime(GP_CLOCK, &now);
    return (int64_t)now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}
