/* SPDX-License-Identifier: MIT
 *
 * ControlNets that are more than a copy of a way down: unions of several, those of SD 3.5 Large, and
 * factors of one (ControlNet-LoRA), against diffusers in float32.  tests/oracle/make_control.py drew the images.
 */
#include "tests/control_cases.h"
#include "tests/golden_models.h"
#include "tests/made_weights.h"
#include "tests/temp_folder.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

TestSuite(control_kinds, .init = temp_folder_make, .fini = temp_folder_remove);

/* ---- unions ---- */

static const struct {
    const char *kind;
    struct picture_case p;
    const char *types[2];
} united[] = {
    { "union",
      { "sdxl", "one", "euler", bad, 4, 4.0f, 1, { 0.9f }, { 0.0f }, { 1.0f }, 0, 0.0f },
      { "canny", NULL } },
    { "union",
      { "sdxl", "weak", "euler", NULL, 5, 4.0f, 1, { 0.6f }, { 0.2f }, { 0.8f }, 0, 0.0f },
      { "depth", NULL } },
    { "promax",
      { "sdxl",
        "two",
        "euler",
        NULL,
        4,
        4.0f,
        2,
        { 0.5f, 0.7f },
        { 0.0f, 0.2f },
        { 1.0f, 0.8f },
        0,
        0.0f },
      { "tile", "openpose" } },
};

static void check_united(const char *kind)
{
    char list[32];
    struct sdrt_context *c = open_model(path_in("sdxl", ""), NULL);

    snprintf(list, sizeof list, "%s-sdxl", kind);
    const char *net = made_write("net.safetensors", list, 0, "");
    for (size_t i = 0; i < sizeof united / sizeof *united; i++)
        if (!strcmp(united[i].kind, kind))
            control_case_check(c, &united[i].p, kind, net, united[i].types);
    sdrt_close(&c);
}

Test(control_kinds, sdxl_union) { check_united("union"); }
Test(control_kinds, sdxl_union_of_eight_types) { check_united("promax"); }

/* A union of nets is told what its picture is, one of what it knows; other nets are not. */
Test(control_kinds, types)
{
    static const char *const tile[] = { "tile" }, *const strange[] = { "fog" };
    struct sdrt_options o;
    struct shown s;

    shown_make(&s);
    struct sdrt_request r = control_case_request(&united[0].p, &s,
                                                 made_write("net.safetensors", "union-sdxl", 0,
                                                            ""));
    model_options(&o, path_in("sdxl", ""));
    expect_refusal(&o, &r, SDRT_E_ARG,
                   "expected the type of its picture too, one of openpose, depth");
    r.control_types = tile;
    expect_refusal(&o, &r, SDRT_E_ARG, "the type tile of its picture: expected one of openpose");
    r.control_types = strange;
    expect_refusal(&o, &r, SDRT_E_ARG,
                   "unknown type of a control picture \"fog\": expected openpose");
    r.control_types = tile;
    s.controls[0].net = made_write("plain.safetensors", "control-sdxl", 0, "");
    expect_refusal(&o, &r, SDRT_E_ARG, "the type tile of its picture: expected none");
    r.control_types = NULL;
    s.controls[0].net = made_write("union.safetensors", "union-sdxl", 0, "");
    r.sampler = NULL;
    model_options(&o, path_in("sd15", ""));
    expect_refusal(&o, &r, SDRT_E_UNSUPPORTED, "a union of ControlNets: expected it with an SDXL");
    shown_free(&s);
}

/* ---- of SD 3.5 Large ---- */

static const struct picture_case large = { "sd35", "one",    "euler",  bad,      4, 5.0f,
                                           1,      { 0.8f }, { 0.0f }, { 1.0f }, 0, 0.0f },
                                 canny = { "sd35", "canny",  "euler",  NULL,     4, 4.0f,
                                           1,      { 1.0f }, { 0.0f }, { 1.0f }, 0, 0.0f },
                                 early = { "sd35", "one",    "euler",  NULL,     4, 5.0f,
                                           1,      { 0.9f }, { 0.0f }, { 0.8f }, 0, 0.0f };

/* A net of edges reads its picture otherwise, which its name tells. */
Test(control_kinds, large)
{
    struct sdrt_context *c = open_model(path_in("sd35", ""), NULL);

    control_case_check(c, &large, "large",
                       made_write("net.safetensors", "control-sd35-large", 0, ""), NULL);
    control_case_check(c, &canny, "large",
                       made_write("net_canny.safetensors", "control-sd35-large", 0, ""), NULL);
    sdrt_close(&c);
}

/* Of original names, where a number stands above the name. */
Test(control_kinds, large_of_original_names)
{
    struct sdrt_context *c = open_model(path_in("sd35", ""), NULL);

    control_case_check(c, &early, "stability",
                       made_write("net_canny.safetensors", "control-sd35-stability", 0, ""), NULL);
    sdrt_close(&c);
}

Test(control_kinds, large_folder)
{
    static const char told[] = "{\"force_zeros_for_pooled_projection\":false}";
    struct sdrt_context *c = open_model(path_in("sd35", ""), NULL);
    char net[512];

    cr_assert_eq(mkdir(temp_path("net"), 0777), 0);
    made_write("net/diffusion_pytorch_model.safetensors", "control-sd35-large", 0, "");
    temp_write("net/config.json", told, strlen(told));
    snprintf(net, sizeof net, "%s", temp_path("net"));
    control_case_check(c, &large, "large", net, NULL);
    sdrt_close(&c);
}

/* ---- ControlNet-LoRA ---- */

static const struct picture_case factors = { "sd15", "one",    "euler_a", bad,      4, 4.0f,
                                             1,      { 1.0f }, { 0.0f },  { 1.0f }, 0, 0.0f },
                                 factors_xl = { "sdxl", "one",    "euler",  NULL,     4, 4.0f,
                                                1,      { 0.8f }, { 0.0f }, { 1.0f }, 0, 0.0f };

static void check_lora(const struct picture_case *p)
{
    char list[32];
    struct sdrt_context *c = open_model(path_in(p->model, ""), NULL);

    snprintf(list, sizeof list, "control-lora-%s", p->model);
    control_case_check(c, p, "control-lora", made_write("net.safetensors", list, 0, ""), NULL);
    sdrt_close(&c);
}

Test(control_kinds, lora) { check_lora(&factors); }
Test(control_kinds, lora_xl) { check_lora(&factors_xl); }

/* Its factors fit one model, and that has to have weights. */
Test(control_kinds, lora_refusals)
{
    struct sdrt_options o;
    struct shown s;

    shown_make(&s);
    struct sdrt_request r = control_case_request(&factors, &s,
                                                 made_write("net.safetensors", "control-lora-sd15",
                                                            0, ""));
    model_options(&o, path_in("sd21", ""));
    expect_refusal(&o, &r, SDRT_E_UNSUPPORTED, "a ControlNet of another model");
    s.controls[0].net = made_write("other.safetensors", "control-lora-sd15", 0, "");
    model_options(&o, path_in("sd35", ""));
    r.sampler = NULL;
    expect_refusal(&o, &r, SDRT_E_UNSUPPORTED, "a control net of another model");
    shown_free(&s);
}
