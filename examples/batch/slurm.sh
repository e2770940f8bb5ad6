#!/bin/bash
# On a cluster with SLURM: this job only hands out chunks, eight others do them. The folders must be seen by all nodes.
#SBATCH --job-name=lightpool
#SBATCH --ntasks=1
#SBATCH --mem=8G
#SBATCH --time=12:00:00
#SBATCH --signal=INT@120

# What the eight jobs ask for stands in jobqueue.yaml beside this file; a copy in ~/.config/dask does the same.
export DASK_CONFIG="$PWD/jobqueue.yaml" # the file: of a folder, all YAML files would be read

# srun: Slurm sends the signal above to the steps of a job, not to what its script starts by itself.
srun lightpool reduce crab.yaml --cluster slurm:8 --resume --log-file crab/reduce.log
code=$?
lightpool report crab

# 3: done, but some observations failed; they are named in crab/outcomes.ecsv and in the report
[ $code -eq 3 ] && echo "some observations failed, see crab/report.html"
exit $code
