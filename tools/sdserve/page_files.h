/* SPDX-License-Identifier: MIT
 *
 * The page's files, which build-aux/embed.sh makes from tools/sdserve/page/.
 */
#ifndef SDRT_TOOLS_SDSERVE_PAGE_FILES_H
#define SDRT_TOOLS_SDSERVE_PAGE_FILES_H

#include <stddef.h>

extern const unsigned char page_index[], page_style[], page_script[];
extern const size_t page_index_size, page_style_size, page_script_size;

#endif
