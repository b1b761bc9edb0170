#!/bin/sh
# Send a file of stream events: sh send.sh https://ledger.example.org acme june.ndjson   (the access key in $TOKEN)
# Sent again, it counts once; `--retry` waits as long as the service asks for.
set -eu
curl --silent --show-error --fail-with-body --retry 8 --retry-connrefused \
  -H "Authorization: Bearer $TOKEN" -H "Content-Type: application/x-ndjson" \
  --data-binary "@$3" "$1/v1/sources/$2/events"
