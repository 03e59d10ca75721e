/* SPDX-License-Identifier: MIT
 *
 * Base64 of RFC 4648, section 4.
 */
#ifndef SDRT_TOOLS_SDSERVE_BASE64_H
#define SDRT_TOOLS_SDSERVE_BASE64_H

#include <stddef.h>
#include <stdint.h>

/* The n characters at text, line ends among them allowed, as *size bytes with a 0 behind: the
 * caller's.  NULL where they are no base64, would be more than most bytes, or without memory. */
uint8_t *base64_decode(const char *text, size_t n, size_t most, size_t *size);

/* front and the text of size bytes, the caller's; NULL without memory. */
char *base64_encode(const char *front, const uint8_t *bytes, size_t size);

#endif
