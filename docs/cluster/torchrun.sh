#!/bin/bash
# torchrun --nnodes 2 --nproc-per-node 8 ... --no-python torchrun.sh /shared/plan
# One process a GPU, each with its part of the shards.
set -u

premask annotate --plan "$1" --shard "$RANK" --of "$WORLD_SIZE" --devices "cuda:$LOCAL_RANK"

# 0: all is done, 1: some images failed. With anything else, it could not go on.
status=$?
[ "$status" = 1 ] || exit "$status"
