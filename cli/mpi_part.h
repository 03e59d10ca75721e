/* SPDX-License-Identifier: MIT
 *
 * Where the part for MPI lies (runtime/ranks/ranks.h).
 */
#ifndef SDRT_CLI_MPI_PART_H
#define SDRT_CLI_MPI_PART_H

enum { CLI_PATH = 4096 };

/* What the environment's SDRT_MPI_PART names, else beside a program that was not installed, else where it is
 * installed; into path where it is neither the environment's nor a constant. */
const char *cli_mpi_part(char path[CLI_PATH]);

#endif
