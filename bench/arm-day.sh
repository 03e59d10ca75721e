#!/bin/sh
# SPDX-License-Identifier: MIT
#
# For a person with an Arm machine (a Raspberry Pi 5, a Graviton, a Mac) and some 40 minutes in which
# it has nothing else to do.  Without choices:
#     bench/arm-day.sh
# It is processor-day.sh, which says what it does and what it leaves.
exec sh "$(dirname "$0")/processor-day.sh"
