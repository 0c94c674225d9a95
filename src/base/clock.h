/* base/clock.h: time for measuring, not for telling the date. */
#ifndef AE_BASE_CLOCK_H
#define AE_BASE_CLOCK_H

/* Seconds since some moment that stays the same while the program runs. */
double ae_seconds(void);

#endif
