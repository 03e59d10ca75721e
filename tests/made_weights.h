/* SPDX-License-Identifier: MIT
 *
 * U-Nets whose weights are made up from their tensors' names, as tests/oracle/make_nets.py makes them
 * for diffusers.
 */
#ifndef SDRT_TESTS_MADE_WEIGHTS_H
#define SDRT_TESTS_MADE_WEIGHTS_H

/* Writes the U-Net of golden/nets/KIND.txt as file in the temporary folder, in f32: under diffusers'
 * names, or with single 1 under those of a single file, behind front.  Returns the path. */
const char *made_write(const char *file, const char *kind, int single, const char *front);

/* How many channels conv_in of the U-Nets that are written takes; 0: as listed. */
void made_widen(int channels);

/* dB of an image [64][64][3] from golden/nets/NAME.npy. */
double made_psnr(const unsigned char *image, const char *name);

#endif
