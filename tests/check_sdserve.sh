#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Runs ./sdserve on loopback with the tiny model: wrong calls, each interface's image against that of
# ./sdgen, what is refused, clients that leave, and its end.
# shellcheck disable=SC2154 # what serve.sh sets
set -u
. "${srcdir-.}/tests/support.sh"
. "${srcdir-.}/tests/serve.sh"

# ---- the command line ----

bad() {
    name=$1 expected=$2 pattern=$3
    shift 3
    "$build/sdserve" "$@" > out 2> err < /dev/null
    status=$?
    ok=true
    [ "$status" -eq "$expected" ] && [ "$(wc -l < err)" -eq 1 ] && [ ! -s out ] || ok=false
    grep -q -e "$pattern" err || ok=false
    report $ok "$name" "status $status (expected $expected): $(cat err)"
}

bad 'unknown option' 2 'frobnicate' --frobnicate
bad 'stray word' 2 'options only' now
bad 'others without a key' 2 'api-key' -m "$tiny" --listen 0.0.0.0
bad 'empty key' 2 'api-key' -m "$tiny" --api-key ''
bad 'folder absent' 2 'none: expected a folder' -m "$tiny" --models none
bad 'port' 2 'port' -m "$tiny" --port 65536
bad 'steps above the most' 2 'max-steps' -m "$tiny" --steps 30 --max-steps 20

# ---- a server ----

start --max-steps 400 --max-pixels 16384 --max-batch 4 --max-body 1
ask 'health' 200 '"status":"ok"' /health
ask 'models' 200 '"id":"tiny-sd15"' /v1/models
ask 'one model' 200 '"object":"model"' /v1/models/tiny-sd15
ask 'no model' 404 'no such model' /v1/models/other
ask 'samplers' 200 '"name":"DPM++ 2M"' /sdapi/v1/samplers
ask 'schedulers' 200 '"label":"Karras"' /sdapi/v1/schedulers
ask 'sd-models' 200 '"title":"tiny-sd15"' /sdapi/v1/sd-models
ask 'options' 200 '"sd_model_checkpoint":"tiny-sd15"' /sdapi/v1/options
ask 'upscalers without a folder' 200 '^\[{"name":"None",.*{"name":"Lanczos",' /sdapi/v1/upscalers
for list in sd-vae loras prompt-styles; do ask "$list" 200 '^\[\]$' /sdapi/v1/$list; done
for list in embeddings memory cmd-flags scripts progress; do ask "$list" 200 '^{' /sdapi/v1/$list; done
ask 'ping' 200 '{}' /internal/ping

ask 'no control nets' 200 '{"model_list":\[\]}' /controlnet/model_list
ask 'their maps' 200 '"none","canny"' /controlnet/module_list
ask 'the page' 200 '<title>sdserve' /
ask 'its script' 200 'SPDX' /page.js
ask 'its style' 200 'prefers-color-scheme' /style.css
ask 'openapi' 200 '"/v1/jobs":{"post"' /openapi.json
ask 'no gallery' 200 '{"images":\[\]}' /v1/gallery
ask 'no kept image' 404 'no such image' /v1/gallery/sdrt-0001.png

# One image by each interface.
"$build/sdgen" -m "$tiny" -p 'a cat' -n 'a dog' --steps 3 --seed 7 -W 64 -H 64 --cfg-scale 5 \
    --sampler dpmpp_2m --schedule karras --threads 1 --quiet -o sdgen.png
common='"negative_prompt":"a dog","steps":3,"seed":7,"cfg_scale":5'
ask 'txt2img' 200 '"info":".*infotexts' /sdapi/v1/txt2img -d \
    "{\"prompt\":\"a cat\",$common,\"width\":64,\"height\":64,\"sampler_name\":\"DPM++ 2M\",\"scheduler\":\"Karras\"}"
sed 's/^{"images":\["\([^"]*\)".*/\1/' answer | base64 -d > image.png 2> /dev/null
same image.png txt2img
ask 'generations' 200 '"b64_json"' /v1/images/generations -d \
    "{\"prompt\":\"a cat\",$common,\"size\":\"64x64\",\"sampler\":\"dpmpp_2m\",\"schedule\":\"karras\"}"
sed 's/.*"b64_json":"\([^"]*\)".*/\1/' answer | base64 -d > image.png 2> /dev/null
same image.png generations
ask 'generations by url' 200 '"url":"http://127' /v1/images/generations -d \
    "{\"prompt\":\"a cat\",$common,\"size\":\"64x64\",\"sampler\":\"dpmpp_2m\",\"schedule\":\"karras\",\"response_format\":\"url\"}"
curl -s -o image.png "$(sed 's/.*"url":"\([^"]*\)".*/\1/' answer)"
same image.png 'an address'
job="{\"prompt\":\"a cat\",$common,\"width\":64,\"height\":64,\"sampler\":\"dpmpp_2m\",\"schedule\":\"karras\"}"
ask 'a job' 202 '"state":"' /v1/jobs -d "$job"
id=$(sed 's/^{"id":"\([^"]*\)".*/\1/' answer)
ask 'its events' 200 '^event: end' "/v1/jobs/$id/events" -N
ask 'its state' 200 '"state":"done"' "/v1/jobs/$id"
curl -s -o image.png "$url/v1/jobs/$id/images/0.png"
same image.png 'a job'
ask 'all jobs' 200 "$id" /v1/jobs
ask 'no such image' 404 'no such image' "/v1/jobs/$id/images/1.png"
ask 'no such job' 404 'no such job' /v1/jobs/0123456789abcdef0123456789abcdef
ask 'a stream' 200 'event: image_generation.completed' /v1/images/generations -N -d \
    '{"prompt":"a cat","size":"64x64","steps":4,"stream":true,"partial_images":2}'
ok=true
grep -q 'event: image_generation.partial_image' answer || ok=false
report $ok 'partial images in a stream' "$(head -c 200 answer)"
ask 'a batch' 200 '\\"all_seeds\\":\[3,4,5,6\]' /sdapi/v1/txt2img -d \
    '{"prompt":"a","seed":3,"batch_size":2,"n_iter":2,"steps":1,"width":64,"height":64,"send_images":false}'

# With a picture: what the parameters say is read back.
picture=$(base64 < sdgen.png | tr -d '\n')
ask 'png-info' 200 'a cat.nNegative prompt: a dog.nSteps: 3' /sdapi/v1/png-info -d "{\"image\":\"$picture\"}"
"$build/sdgen" -m "$tiny" -p 'a cat' --init sdgen.png --strength 0.5 --steps 4 --seed 7 --threads 1 \
    --quiet -o sdgen2.png
ask 'img2img' 200 '"images"' /sdapi/v1/img2img -d \
    "{\"prompt\":\"a cat\",\"init_images\":[\"$picture\"],\"denoising_strength\":0.5,\"steps\":4,\"seed\":7}"
sed 's/^{"images":\["\([^"]*\)".*/\1/' answer | base64 -d > image.png 2> /dev/null
cp sdgen2.png sdgen.png.2
ok=true
cmp -s image.png sdgen.png.2 || ok=false
report $ok 'img2img gives the image of sdgen --init' "$(head -c 200 answer)"
ask 'edits' 200 '"b64_json"' /v1/images/edits -F prompt='a cat' -F image=@sdgen.png -F seed=7 -F steps=4 \
    -F strength=0.5
sed 's/.*"b64_json":"\([^"]*\)".*/\1/' answer | base64 -d > image.png 2> /dev/null
ok=true
cmp -s image.png sdgen.png.2 || ok=false
report $ok 'edits gives the image of sdgen --init' "$(head -c 200 answer)"

# ---- what is refused, by its name ----

no 'unknown field, A1111' 400 '"detail":"bogus: there is no such' /sdapi/v1/txt2img '{"bogus":1}'
no 'unknown field, OpenAI' 400 '"param":"bogus"' /v1/images/generations '{"prompt":"a","bogus":1}'
no 'unknown field of a job' 400 '"error":"bogus' /v1/jobs '{"bogus":1}'
hires() { printf '{"width":64,"height":64,"steps":1,"enable_hr":true,%s}' "$1"; }
ask 'fields of img2img that mean nothing' 200 '"images"' /sdapi/v1/txt2img -d \
    '{"width":64,"height":64,"steps":1,"inpainting_fill":1,"resize_mode":1,"init_images":[]}'
no 'a picture for txt2img' 400 'init_images: expected nothing' /sdapi/v1/txt2img '{"init_images":["x"]}'
no 'hires too large' 400 'hires: 192x192: expected at most this server.s 16384' /sdapi/v1/txt2img \
    "$(hires '"hr_scale":3')"
no 'hires upscaler' 400 "hr_upscaler: 'ESRGAN_4x'" /sdapi/v1/txt2img "$(hires '"hr_upscaler":"ESRGAN_4x"')"
no 'hires of no more' 400 'hr_scale: expected above 1' /sdapi/v1/txt2img "$(hires '"hr_scale":1')"
no 'hires of another shape' 400 'hr_resize_x' /sdapi/v1/txt2img "$(hires '"hr_resize_x":96,"hr_resize_y":128')"
no 'another prompt for hires' 400 'hr_prompt' /sdapi/v1/txt2img "$(hires '"hr_prompt":"a dog"')"
no 'hires of nothing redrawn' 400 'denoising_strength' /sdapi/v1/txt2img "$(hires '"denoising_strength":0')"
no 'no script' 400 'ADetailer' /sdapi/v1/txt2img '{"alwayson_scripts":{"ADetailer":{"args":[true]}}}'
no 'sampler' 400 "sampler_name: 'x'" /sdapi/v1/txt2img '{"sampler_name":"x"}'
no 'model' 400 'sd_model_checkpoint' /sdapi/v1/txt2img '{"override_settings":{"sd_model_checkpoint":"../x"}}'
no 'option' 400 'bogus: there is no such option' /sdapi/v1/options '{"bogus":1}'
no 'steps' 400 'at most this server.s 400' /v1/jobs '{"steps":500}'
no 'pixels' 400 'at most this server.s 16384' /v1/jobs '{"width":512,"height":512}'
no 'one side' 400 'at most this server.s 16384' /sdapi/v1/txt2img '{"steps":1,"width":512}'
no 'images' 400 'at most this server.s 4' /v1/jobs '{"batch":2,"batches":3}'
no 'a width no model draws' 400 'width 100' /sdapi/v1/txt2img '{"width":100,"height":64}'
no 'a number' 400 'steps: expected a whole number' /v1/jobs '{"steps":"many"}'
no 'seed' 400 'seed: expected' /v1/jobs '{"seed":-2}'
no 'broken JSON' 400 'bad JSON' /v1/jobs '{'
no 'a list' 400 'JSON object' /v1/jobs '[]'
no 'deep JSON' 400 'deeper' /v1/jobs "$(printf '%040d' 0 | tr 0 '[')"
no 'no picture' 400 'init_images' /sdapi/v1/img2img '{}'
no 'no base64' 400 'base64' /sdapi/v1/img2img '{"init_images":["!"]}'
no 'no PNG' 400 'expected a picture' /sdapi/v1/img2img '{"init_images":["aGVsbG8="]}'
unit() { printf '{"width":64,"height":64,"steps":1,"alwayson_scripts":{"controlnet":{"args":[%s]}}}' "$1"; }
no 'an adapter without an encoder' 400 'without --clip-vision' /v1/jobs '{"ip_adapters":[{"file":"ip"}]}'
no 'a control net elsewhere' 400 'a net that this server lists' /sdapi/v1/txt2img "$(unit '{"model":"../x"}')"
no 'a unit of no such field' 400 'bogus' /sdapi/v1/txt2img "$(unit '{"bogus":1}')"
ask 'a unit that is off' 200 '"images"' /sdapi/v1/txt2img -d "$(unit '{"enabled":false,"model":"x"},false')"
no 'a LoRA elsewhere' 400 'loras' /v1/jobs '{"loras":[{"name":"../../etc/passwd"}]}'
ask 'no prompt' 400 '"param":"prompt"' /v1/images/generations -d '{}'
ask 'a file that is none of ours' 400 'image and mask' /v1/images/edits -F prompt=a -F other=@sdgen.png
ask 'path' 404 'no such path' /sdapi/v1/nothing
ask 'method' 405 'expected' /v1/status -X DELETE
head -c 1100000 /dev/zero > large
ask 'a large body' 413 'expected at most' /v1/jobs --data-binary @large -H 'Expect:'
ask 'a large body without a length' 413 'expected at most' /v1/jobs --data-binary @large -H 'Expect:' \
    -H 'Transfer-Encoding: chunked'
"$build/sdgen" -m "$tiny" -p 'a cat' --steps 1 -W 192 -H 192 --threads 1 --quiet -o large.png
ask 'a picture of many pixels' 400 '192x192: expected at most 16384 pixels' /v1/images/edits \
    -F prompt=a -F image=@large.png
ask 'another host' 403 'Host' /v1/status -H 'Host: example.org'
ask 'another origin' 403 'Origin' /v1/jobs -H 'Origin: http://example.org' -d '{}'
idle 'idle after all that'
stop
mkdir nets enlarging
cp "$tiny/unet/diffusion_pytorch_model.safetensors" nets/other.safetensors
cp "${tiny%/*}/nets/rrdb-x2.pth" enlarging/
# made NAMES FILE: a file of those tensors, all of whose numbers are the same, in f16.
made() {
    awk -F '\t' 'BEGIN { at = 0; printf "{" }
        { n = split($3, side, ","); size = 2; dims = ""
          for (i = 1; i <= n; i++) { size *= side[i]; dims = dims (i > 1 ? "," : "") side[i] }
          printf "%s\"%s\":{\"dtype\":\"F16\",\"shape\":[%s],\"data_offsets\":[%d,%d]}", (NR > 1 ? "," : ""),
              $1, dims, at, at + size
          at += size }
        END { printf "}"; print at > "size" }' "${tiny%/*}/nets/$1" > header
    n=$(wc -c < header)
    {
        # shellcheck disable=SC2059 # the bytes of the header's length
        printf "$(printf '\\%03o\\%03o' $((n % 256)) $((n / 256)))\0\0\0\0\0\0"
        cat header
        head -c "$(cat size)" /dev/zero | tr '\0' ','
    } > "$2"
}
made ip-plain-sd15.txt nets/ip.safetensors
mkdir vision
made clip-vision.txt vision/model.safetensors
echo '{"num_attention_heads":4,"hidden_act":"gelu"}' > vision/config.json
start --control-dir nets --upscaler-dir enlarging --max-steps 400 --clip-vision vision
"$build/sdgen" --upscale enlarging/rrdb-x2.pth sdgen.png --threads 1 --quiet -o enlarged.png
ask 'upscalers' 200 '"name":"rrdb-x2"' /sdapi/v1/upscalers
ask 'extra-single-image' 200 '"html_info":"","image":"' /sdapi/v1/extra-single-image -d \
    "{\"image\":\"$picture\",\"upscaler_1\":\"rrdb-x2\",\"upscaling_resize\":2}"
sed 's/.*"image":"\([^"]*\)".*/\1/' answer | base64 -d > image.png 2> /dev/null
ok=true
cmp -s image.png enlarged.png || ok=false
report $ok 'extra-single-image gives the picture of sdgen --upscale' "$(head -c 100 answer)"
# side PATTERN-NAME BODY SIDES: the picture's sides as the PNG's header has them.
sides() {
    ask "$1" 200 '"image":"' /sdapi/v1/extra-single-image -d "{\"image\":\"$picture\",$2}"
    picture_of image > image.png
    got=$(od -An -tx1 -j16 -N8 image.png | tr -d ' ')
    ok=true
    [ "$got" = "$3" ] || ok=false
    report $ok "$1: its size" "$got: expected $3"
}
sides 'three times larger by a network of two' '"upscaler_1":"rrdb-x2","upscaling_resize":3' 000000c0000000c0
sides 'twice, where nothing is said' '"upscaler_1":"rrdb-x2"' 0000008000000080
sides 'larger without a network' '"upscaler_1":"Lanczos","upscaling_resize":1.3' 0000005000000050
sides 'to a size, cut' '"upscaler_1":"rrdb-x2","resize_mode":1,"upscaling_resize_w":96,"upscaling_resize_h":80' \
    0000006000000050
sides 'to a size, whole' '"upscaler_1":"Lanczos","resize_mode":1,"upscaling_resize_w":96,"upscaling_resize_h":80,"upscaling_crop":false' \
    0000006000000060
sides 'not at all' '"upscaler_1":"None"' 0000004000000040
no 'a size without a side' 400 'upscaling_resize_w' /sdapi/v1/extra-single-image \
    "{\"image\":\"$picture\",\"upscaler_1\":\"Lanczos\",\"resize_mode\":1}"

# Drawn twice.
common='"prompt":"a cat","seed":7,"steps":2,"width":64,"height":64,"enable_hr":true,"denoising_strength":0.5'
for upscaler in 'Latent latent' 'Lanczos lanczos' 'rrdb-x2 enlarging/rrdb-x2.pth'; do
    "$build/sdgen" -m "$tiny" -p 'a cat' --seed 7 --steps 2 -W 64 -H 64 --hires 1.5 --hires-strength 0.5 \
        --hires-steps 6 --hires-upscaler "${upscaler#* }" --threads 1 --quiet --force -o sdgen.png
    ask "hires, ${upscaler% *}" 200 'Hires upscale.":' /sdapi/v1/txt2img -d \
        "{$common,\"hr_scale\":1.5,\"hr_second_pass_steps\":3,\"hr_upscaler\":\"${upscaler% *}\"}"
    picture_of images > image.png
    same image.png "hires, ${upscaler% *},"
done
ask 'hires to a size' 200 'Hires upscale' /sdapi/v1/txt2img -d \
    "{$common,\"hr_resize_x\":96,\"hr_second_pass_steps\":3,\"hr_upscaler\":\"rrdb-x2\"}"
picture_of images > image.png
same image.png 'hires to a size'
ask 'hires of a job' 202 '"state"' /v1/jobs -d '{"prompt":"a cat","seed":7,"steps":2,"width":64,"height":64,"hires":1.5,"hires_strength":0.5,"hires_steps":6,"hires_upscaler":"rrdb-x2"}'
id=$(sed 's/^{"id":"\([^"]*\)".*/\1/' answer)
ask 'its events' 200 '^event: end' "/v1/jobs/$id/events" -N
curl -s -o image.png "$url/v1/jobs/$id/images/0.png"
same image.png 'hires of a job'
no 'an upscaler elsewhere' 400 'upscaler_1' /sdapi/v1/extra-single-image \
    "{\"image\":\"$picture\",\"upscaler_1\":\"../x\"}"
no 'no picture to enlarge' 400 'image: expected' /sdapi/v1/extra-single-image '{}'
# Pictures as prompts.
"$build/sdgen" -m "$tiny" -p 'a cat' --seed 7 --steps 2 -W 64 -H 64 --threads 1 --quiet --force -o plain.png
"$build/sdgen" -m "$tiny" -p 'a cat' --seed 7 --steps 2 -W 64 -H 64 --threads 1 --quiet --force -o sdgen.png \
    --ip-adapter nets/ip.safetensors=enlarged.png:0.8 --clip-vision vision
ok=true
cmp -s plain.png sdgen.png && ok=false
report $ok 'the adapter makes another image' 'the same as without'
enlarged=$(base64 < enlarged.png | tr -d '\n')
one="{\"model\":\"ip [1]\",\"image\":\"$enlarged\",\"module\":\"ip-adapter-auto\",\"weight\":0.8}"
ask 'an IP-Adapter as a unit' 200 '"images"' /sdapi/v1/txt2img -d "{\"prompt\":\"a cat\",\"seed\":7,\"steps\":2,
    \"width\":64,\"height\":64,\"alwayson_scripts\":{\"controlnet\":{\"args\":[$one]}}}"
picture_of images > image.png
same image.png 'an IP-Adapter as a unit'
ask 'an IP-Adapter of a job' 202 '"state"' /v1/jobs -d "{\"prompt\":\"a cat\",\"seed\":7,\"steps\":2,\"width\":64,
    \"height\":64,\"ip_adapters\":[{\"file\":\"ip\",\"image\":\"$enlarged\",\"scale\":0.8}]}"
id=$(sed 's/^{"id":"\([^"]*\)".*/\1/' answer)
ask 'its events' 200 '^event: end' "/v1/jobs/$id/events" -N
curl -s -o image.png "$url/v1/jobs/$id/images/0.png"
same image.png 'an IP-Adapter of a job'
no 'an adapter for faces' 400 "module 'ip-adapter_face_id'.*for faces are not there" /sdapi/v1/txt2img \
    "$(unit "{\"model\":\"ip\",\"image\":\"$picture\",\"module\":\"ip-adapter_face_id\"}")"
no 'an adapter for a part of the steps' 400 'guidance_end: expected 1' /sdapi/v1/txt2img \
    "$(unit "{\"model\":\"ip\",\"image\":\"$picture\",\"module\":\"ip-adapter_clip_h\",\"guidance_end\":0.5}")"
no 'an adapter elsewhere' 400 'an IP-Adapter that this server lists' /v1/jobs '{"ip_adapters":[{"file":"../ip"}]}'
no 'a field of an adapter' 400 'ip_adapters: start: there is no such field' /v1/jobs \
    '{"ip_adapters":[{"file":"ip","start":0.5}]}'
ask 'control nets' 200 '{"model_list":\["ip","other"\]}' /controlnet/model_list
no 'a file that is no control net' 400 'other.safetensors' /sdapi/v1/txt2img \
    "$(unit "{\"model\":\"other [1]\",\"image\":\"$picture\"}")"
no 'guess mode' 400 'guessmode' /sdapi/v1/txt2img "$(unit '{"model":"other","guessmode":true}')"
no 'a unit for one drawing' 400 'hr_option' /sdapi/v1/txt2img "$(unit '{"model":"other","hr_option":"High res only"}')"
ask 'control types' 200 '"All":{"module_list":\["none",' /controlnet/control_types
ask 'how many units' 200 'unit_count":4' /controlnet/settings
no 'control mode' 400 'control_mode' /sdapi/v1/txt2img \
    "$(unit "{\"model\":\"other\",\"image\":\"$picture\",\"control_mode\":1}")"
no 'module' 400 "module 'depth'" /sdapi/v1/txt2img \
    "$(unit "{\"model\":\"other\",\"image\":\"$picture\",\"module\":\"depth\"}")"
no 'a type of a unit' 400 "type 'fog': expected openpose" /sdapi/v1/txt2img \
    "$(unit "{\"model\":\"other\",\"image\":\"$picture\",\"union_control_type\":\"fog\"}")"
no 'a type of a control' 400 "type 'fog': expected openpose" /v1/jobs \
    "{\"controls\":[{\"net\":\"other\",\"image\":\"$picture\",\"type\":\"fog\"}]}"
no 'controls of a job' 400 'a net that this server lists' /v1/jobs '{"controls":[{"net":"../other"}]}'

# ---- clients that leave, and jobs that end early ----

long='"steps":400,"width":128,"height":128'
curl -s --max-time 1 -d "{$long}" "$url/sdapi/v1/txt2img" > out
idle 'a client that leaves ends its job'
ask 'a long job' 202 '"state"' /v1/jobs -d "{$long}"
id=$(sed 's/^{"id":"\([^"]*\)".*/\1/' answer)
ask 'one behind it' 202 '"place":0' /v1/jobs -d '{"steps":1,"width":64,"height":64}'
ask 'its end' 200 '"id"' "/v1/jobs/$id" -X DELETE
idle 'a job is cancelled'
ask 'a cancelled job' 200 '"state":"cancelled"' "/v1/jobs/$id"
# What was drawn so far is an image, of which the parameters say so.
until_step() {
    tries=0
    until curl -s "$url/sdapi/v1/progress?skip_current_image=true" | grep -q "$1" || [ $tries -gt 300 ]; do
        tries=$((tries + 1))
    done
}
curl -s -d "{$long,\"n_iter\":3,\"seed\":7}" "$url/sdapi/v1/txt2img" > answer &
waiting=$!
until_step '"job_no":0.*"sampling_step":[1-9]'
curl -s -d '' "$url/sdapi/v1/skip" > out
until_step '"job_no":1.*"sampling_step":[1-9]'
curl -s -d '' "$url/sdapi/v1/interrupt" > out
wait $waiting
ok=true
[ "$(grep -o 'Stopped after: [1-9]' answer | wc -l)" -ge 2 ] && grep -q '\\"all_seeds\\":\[7,8\]' answer || ok=false
report $ok 'skip and interrupt give two images, and no third' "$(tail -c 600 answer)"
picture_of images > image.png
ok=true
grep -aq 'Steps: 400, .*Stopped after: ' image.png || ok=false
report $ok 'an interrupted image is one' "$(head -c 100 image.png)"
idle 'idle after an interrupt'
ask 'nothing to interrupt' 200 '{}' /sdapi/v1/interrupt -d ''
ask 'metrics' 200 '^sdserve_images_total [1-9]' /metrics
ok=true
grep -q '^sdserve_jobs_total{state="cancelled"} 2' answer || ok=false
report $ok 'metrics count what was cancelled' "$(grep jobs answer)"
stop

# ---- a key, kept images, and an end in the midst ----

mkdir kept
start --api-key secret --output kept --max-steps 400
ask 'without the key' 401 'key' /v1/status
ask 'a wrong key' 401 'key' /v1/status -H 'Authorization: Bearer secres'
ask 'half a key' 401 'key' /v1/status -H 'Authorization: Bearer sec'
ask 'the key' 200 'version' /v1/status -H 'Authorization: Bearer secret'
ask 'the key as a password' 200 'version' /v1/status -u any:secret
ask 'health without it' 200 'ok' /health
curl -s -u any:secret -d '{"steps":400,"width":64,"height":64,"batch_size":2}' "$url/sdapi/v1/txt2img" > answer &
waiting=$!
tries=0
until curl -s -u any:secret "$url/v1/status" | grep -q '"drawing":1' || [ $tries -gt 300 ]; do
    tries=$((tries + 1))
done
stop 'after the image'
wait $waiting
mv answer waited
start --output kept
ask 'the gallery' 200 '"sdrt-0002.png"' /v1/gallery
curl -s -o image.png "$url/v1/gallery/sdrt-0001.png"
ok=true
cmp -s image.png kept/sdrt-0001.png || ok=false
report $ok 'an image of the gallery' "$(head -c 100 image.png)"
cp sdgen.png secret.png
ln -s ../secret.png kept/link.png
for path in ../secret.png ..%2fsecret.png %2e%2e%2fsecret.png link.png /etc/passwd; do
    ask "nothing outside of it: $path" 404 'no such' "/v1/gallery/$path" --path-as-is
done
stop
ok=true
[ "$(find kept -type f | wc -l)" -eq 2 ] && grep -q '"images"' waited || ok=false
report $ok 'what is drawn at the end is kept and sent' "$(ls kept) $(head -c 100 waited)"
# The model's own size, 512x512 of this one, is within the limit too, and so is what is made of it.
start --max-steps 1000 --max-pixels 200000
own=512x512
no 'a size that the model chooses' 400 "$own.* at most this server.s 200000 pixels" /sdapi/v1/txt2img '{"steps":1}'
no 'the same by a batch' 400 "$own" /sdapi/v1/txt2img '{"steps":1,"batch_size":2}'
no 'a side of it' 400 '448x512.*200000 pixels' /sdapi/v1/txt2img '{"steps":1,"width":448}'
no 'one that fits, enlarged' 400 '576x576.*200000 pixels' /sdapi/v1/txt2img \
    '{"steps":1,"width":384,"height":384,"enable_hr":true,"hr_scale":1.5}'
no 'its own, enlarged' 400 '768x768.*200000 pixels' /sdapi/v1/txt2img '{"steps":1,"enable_hr":true,"hr_scale":1.5}'
stop
start --max-steps 1000 --max-pixels 1000000
ask 'a very long job' 202 '"state"' /v1/jobs -d '{"steps":999,"width":512,"height":512}'
kill -TERM "$server"
sleep 1
stop 'at once by a second signal'

finish
