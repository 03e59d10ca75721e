/* SPDX-License-Identifier: MIT
 *
 * The part of Criterion's newer assertions that the tests use: cr_assert(eq(TYPE, a, b)).
 */
#ifndef SDRT_TESTS_PLAIN_CRITERION_NEW_ASSERT_H
#define SDRT_TESTS_PLAIN_CRITERION_NEW_ASSERT_H

#include <criterion/criterion.h>
#include <math.h>

#define eq(type, a, b) ((a) == (b))
#define epsilon_eq(type, a, b, epsilon) (fabs((double)(a) - (double)(b)) <= (epsilon))

#endif
