#!/bin/bash
# sbatch --array=0-63 slurm.sh /shared/plan
# Each job does every 64th shard, with its models loaded once. Started again, it goes on where it was.
#SBATCH --job-name=premask
#SBATCH --gres=gpu:1
#SBATCH --cpus-per-task=4
#SBATCH --mem=32G
#SBATCH --time=12:00:00
#SBATCH --requeue
#SBATCH --output=premask-%A_%a.log
set -u

first=$((SLURM_ARRAY_TASK_ID - SLURM_ARRAY_TASK_MIN))
premask annotate --plan "$1" --shard "$first" --of "$SLURM_ARRAY_TASK_COUNT" --devices auto

# 0: all is done, 1: some images failed. With anything else, it could not go on.
status=$?
[ "$status" = 1 ] || exit "$status"
