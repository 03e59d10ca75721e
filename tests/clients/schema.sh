#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Schemathesis over a running sdserve's /openapi.json, which is best started with small limits:
#     pip install schemathesis
#     sdserve --max-steps 2 --max-pixels 4096 --max-batch 1
#     schema.sh [http://127.0.0.1:7860 [EXAMPLES]]
set -eu

url=${1-http://127.0.0.1:7860}
exec schemathesis run "$url/openapi.json" --url "$url" --max-examples "${2-30}" --seed 1 --request-timeout 100 \
    --checks not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,unsupported_method
