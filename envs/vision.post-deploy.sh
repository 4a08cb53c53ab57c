#!/usr/bin/env bash
# Run by Snakemake once the environment is made. This package asks for torch 1.9, but its network runs on today's.
set -euo pipefail
pip install --no-deps retinaface-pytorch==0.0.8
