#!/bin/sh
# SPDX-License-Identifier: MIT
#
# ./sdserve with several sessions, checkpoints, VAEs and LoRAs: each image is that of ./sdgen, whatever is
# drawn beside it, and a change waits for its turn.
# shellcheck disable=SC2154 # what serve.sh sets
set -u
. "${srcdir-.}/tests/support.sh"
. "${srcdir-.}/tests/serve.sh"

golden=${tiny%/*}
mkdir models vaes loras
ln -s "$golden/tiny-sd21" models/sd21
ln -s "$golden/tiny-sd15" models/sd15
echo 'no weights' > models/broken.safetensors
cp "$golden/tiny-sd21/vae/diffusion_pytorch_model.safetensors" vaes/other.safetensors
cp "$golden/lora/loha.safetensors" "$golden/lora/lokr.safetensors" loras/

# drawn FILE MODEL SEED SDGEN-OPTIONS...
drawn() {
    file=$1 model=$2 seed=$3
    shift 3
    "$build/sdgen" -m "models/$model" -p 'a cat' --seed "$seed" --steps 3 -W 64 -H 64 --threads 1 --quiet \
        -o "$file" "$@"
}

# wish MODEL SEED MORE: the same as a request.
wish() {
    printf '{"prompt":"a cat","steps":3,"width":64,"height":64,"seed":%s,"override_settings":{"sd_model_checkpoint":"%s"%s}}' \
        "$2" "$1" "$3"
}

for model in sd15 sd21; do
    for seed in 1 2 3; do drawn "$model-$seed.png" "$model" "$seed"; done
done
drawn vae.png sd15 1 --vae vaes/other.safetensors
cmp -s vae.png sd15-1.png && report false 'the other VAE draws otherwise' 'it is the same'

start --models models --vae-dir vaes --lora-dir loras --sessions 3 --max-steps 999
ask 'models' 200 '"title":"broken.safetensors".*"title":"sd15".*"title":"sd21"' /sdapi/v1/sd-models
ask 'VAEs' 200 '"model_name":"other.safetensors"' /sdapi/v1/sd-vae

# ---- all at once, from four clients ----

waiting=
for client in 1 2 3 4; do
    for seed in 1 2 3; do
        model=sd15
        [ $(((client + seed) % 2)) -eq 0 ] || model=sd21
        curl -s --max-time 100 -H "X-Client-Id: $client" -d "$(wish $model $seed '')" \
            "$url/sdapi/v1/txt2img" > "all-$client-$model-$seed" &
        waiting="$waiting $!"
    done
done
# shellcheck disable=SC2086 # a list of words
wait $waiting
good=0
for answer in all-*; do
    picture_of images "$answer" > image.png
    cmp -s image.png "${answer#all-?-}.png" && good=$((good + 1))
done
ok=true
[ $good -eq 12 ] || ok=false
report $ok 'two checkpoints by turns, three sessions: each image is its own' "$good of 12"
idle 'idle after that'

# ---- a change waits for what is drawn, and what comes later for the change ----

# job BODY CLIENT: sets id.
job() { id=$(curl -s -H "X-Client-Id: $2" -d "$1" "$url/v1/jobs" | sed 's/^{"id":"\([^"]*\)".*/\1/'); }

# state ID STATE NAME: it comes to that.
state() {
    tries=0 ok=false
    while [ $tries -lt 200 ] && ! $ok; do
        curl -s "$url/v1/jobs/$1" | grep -q "\"state\":\"$2\"" && ok=true
        $ok || sleep 0.05
        tries=$((tries + 1))
    done
    report $ok "$3" "$(curl -s "$url/v1/jobs/$1" | head -c 300)"
}

long='{"steps":999,"width":128,"height":128,"batches":4,"model":"sd15"}'
job "$long" a && first=$id
job "$long" b && second=$id
state "$first" drawing 'one session draws'
state "$second" drawing 'another beside it'
job '{"prompt":"a cat","steps":3,"width":64,"height":64,"seed":1,"model":"sd21"}' c && change=$id
job '{"prompt":"a cat","steps":3,"width":64,"height":64,"seed":2,"model":"sd15"}' d && behind=$id
sleep 0.3
state "$change" queued 'another checkpoint waits for both'
state "$behind" queued 'what came later waits behind it, though a session is free'
curl -s -d '' -H 'X-Client-Id: b' "$url/sdapi/v1/interrupt" > out
state "$second" 'done' 'an interrupt ends the one of its client'
state "$first" drawing 'and no other'
state "$change" queued 'the change waits for that too'
curl -s -X DELETE "$url/v1/jobs/$first" > out
state "$behind" 'done' 'then all go on'
curl -s -o image.png "$url/v1/jobs/$change/images/0.png"
equal 'the change drew with its checkpoint' image.png sd21-1.png
curl -s -o image.png "$url/v1/jobs/$behind/images/0.png"
equal 'the one behind with the one before' image.png sd15-2.png

# ---- options ----

plain='{"prompt":"a cat","steps":3,"width":64,"height":64,"seed":1}'
ask 'choose a checkpoint' 200 '{}' /sdapi/v1/options -d '{"sd_model_checkpoint":"sd21"}'
ask 'it is chosen' 200 '"sd_model_checkpoint":"sd21"' /sdapi/v1/options
ask 'an image of it' 200 images /sdapi/v1/txt2img -d "$plain"
picture_of images > image.png
equal 'it is drawn with' image.png sd21-1.png
no 'a checkpoint that is none' 400 'broken.safetensors' /sdapi/v1/options '{"sd_model_checkpoint":"broken"}'
ask 'it is not chosen' 200 '"sd_model_checkpoint":"sd21"' /sdapi/v1/options
ask 'back' 200 '{}' /sdapi/v1/options -d '{"sd_model_checkpoint":"sd15"}'
ask 'another VAE for one request' 200 'sd_vae_name.":."other.safetensors' /sdapi/v1/txt2img -d "$(wish sd15 1 ',"sd_vae":"other.safetensors"')"
picture_of images > image.png
equal 'its image' image.png vae.png
ask 'the model.s own for the next' 200 images /sdapi/v1/txt2img -d "$plain"
picture_of images > image.png
equal 'its image' image.png sd15-1.png
ask 'choose a VAE' 200 '{}' /sdapi/v1/options -d '{"sd_vae":"other"}'
ask 'it is chosen' 200 '"sd_vae":"other.safetensors"' /sdapi/v1/options
ask 'an image of it' 200 images /sdapi/v1/txt2img -d "$plain"
picture_of images > image.png
equal 'it is drawn with' image.png vae.png
ask 'a job with none' 202 '"state"' /v1/jobs -d "${plain%\}},\"vae\":\"None\"}"
id=$(sed 's/^{"id":"\([^"]*\)".*/\1/' answer)
state "$id" 'done' 'it is drawn'
curl -s -o image.png "$url/v1/jobs/$id/images/0.png"
equal 'its image' image.png sd15-1.png
no 'a VAE elsewhere' 400 'sd_vae' /sdapi/v1/options '{"sd_vae":"../vaes/other"}'
ask 'automatic again' 200 '{}' /sdapi/v1/options -d '{"sd_vae":"Automatic"}'
cp vaes/other.safetensors vaes/late.safetensors
ask 'look again' 200 '{}' /sdapi/v1/refresh-vae -d ''
ask 'a VAE that came later' 200 '"late.safetensors"' /sdapi/v1/sd-vae

# ---- LoRAs, of which all sessions have one set at a time ----

drawn loha.png sd15 1 --lora loras/loha.safetensors:0.8
drawn lokr.png sd15 1 --lora loras/lokr.safetensors:0.8
waiting=
for client in 1 2 3; do
    for lora in loha lokr; do
        curl -s --max-time 100 -H "X-Client-Id: $client" "$url/v1/images/generations" -d \
            "{\"prompt\":\"a cat<lora:$lora:0.8>\",\"steps\":3,\"size\":\"64x64\",\"seed\":1}" > "lora-$client-$lora" &
        waiting="$waiting $!"
    done
done
# shellcheck disable=SC2086 # a list of words
wait $waiting
# The parameters say which LoRA in other words: pixels are compared.
good=0
for answer in lora-*; do
    picture_of b64_json "$answer" > "$answer.png"
    grep -aq 'LoRA' "$answer.png" || grep -aq 'lora:' "$answer.png" || continue
    # The picture's data stands behind the texts.
    tail -c +"$(grep -abo IDAT "$answer.png" | head -n 1 | cut -d: -f1)" "$answer.png" > got
    want=${answer#lora-?-}.png
    tail -c +"$(grep -abo IDAT "$want" | head -n 1 | cut -d: -f1)" "$want" > want
    cmp -s got want && good=$((good + 1))
done
ok=true
[ $good -eq 6 ] || ok=false
report $ok 'two LoRAs by turns: each image is its own' "$good of 6: $(head -c 200 lora-1-loha)"
stop 'with three sessions'

finish
