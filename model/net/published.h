/* SPDX-License-Identifier: MIT
 *
 * The published models' configurations, for benchmarks with random weights.
 */
#ifndef SDRT_MODEL_NET_PUBLISHED_H
#define SDRT_MODEL_NET_PUBLISHED_H

#include "model/net/config.h"

struct sdrt_model_config sdrt_sd15_config(void);
struct sdrt_model_config sdrt_sd21_config(void); /* 768 pixels, predicting v */
struct sdrt_model_config sdrt_sdxl_config(void);
struct sdrt_model_config sdrt_sd35_medium_config(void);
struct sdrt_model_config sdrt_sd35_large_config(void);

/* T5-XXL v1.1's encoder: 4.8e9 parameters. */
struct sdrt_t5_config sdrt_t5_xxl_config(void);

#endif
