#!/bin/bash
# sbatch --array=0-63 slurm.sh /shared/plan
# Each job takes its part of the shards, one after the other. Started again, it passes over those that are done.
#SBATCH --job-name=premask
#SBATCH --gres=gpu:1
#SBATCH --cpus-per-task=4
#SBATCH --mem=32G
#SBATCH --time=12:00:00
#SBATCH --requeue
#SBATCH --output=premask-%A_%a.log
set -u
plan=$1

first=$((SLURM_ARRAY_TASK_ID - SLURM_ARRAY_TASK_MIN))
for ((shard = first; ; shard += SLURM_ARRAY_TASK_COUNT)); do
    [ -e "$(printf '%s/manifests/shard-%05d.parquet' "$plan" "$shard")" ] || exit 0
    # 0: all is done, 1: some images failed. With anything else, it could not go on.
    srun --ntasks=1 premask annotate --plan "$plan" --shard "$shard" || [ $? = 1 ] || exit 2
done
