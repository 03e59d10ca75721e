/* SPDX-License-Identifier: MIT */
#include "model/net/unet_parts.h"
#include "model/net/name.h"

static void list_resnet(struct sdrt_unet_parts *p, const char *block, int j, int channels)
{
    struct sdrt_unet_part *r = &p->resnets[p->n_resnets++];
    sdrt_name(r->name, sizeof r->name, "%s.resnets.%d.time_emb_proj", block, j);
    r->channels = channels;
    p->time_channels += channels;
}

static int list_cross(struct sdrt_unet_parts *p, const char *block, int j, int depth, int channels)
{
    for (int d = 0; d < depth; d++) {
        if (p->n_cross == SDRT_UNET_CROSS) return 0;
        struct sdrt_unet_part *a = &p->cross[p->n_cross++];
        sdrt_name(a->name, sizeof a->name, "%s.attentions.%d.transformer_blocks.%d.attn2", block, j,
                  d);
        a->channels = channels;
    }
    return 1;
}

int sdrt_unet_list_parts(const struct sdrt_unet_config *c, struct sdrt_unet_parts *out)
{
    const int last = c->levels - 1;
    char block[64];
    int ok = 1;

    out->n_resnets = out->n_cross = out->time_channels = 0;
    for (int i = 0; i < c->levels; i++)
        for (int j = 0; j < c->layers; j++) {
            sdrt_name(block, sizeof block, "unet.down_blocks.%d", i);
            list_resnet(out, block, j, c->channels[i]);
            ok &= list_cross(out, block, j, c->down_depth[i][j], c->channels[i]);
        }
    for (int j = 0; j < c->mid_resnets; j++)
        list_resnet(out, "unet.mid_block", j, c->channels[last]);
    ok &= list_cross(out, "unet.mid_block", 0, c->mid_depth, c->channels[last]);
    for (int i = 0; i < c->levels && !c->hint.n; i++)
        for (int j = 0; j < c->layers + 1; j++) {
            sdrt_name(block, sizeof block, "unet.up_blocks.%d", i);
            list_resnet(out, block, j, c->channels[last - i]);
            ok &= list_cross(out, block, j, c->up_depth[last - i][j], c->channels[last - i]);
        }
    return ok;
}
