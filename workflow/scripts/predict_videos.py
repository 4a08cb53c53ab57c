"""Predict the videos of a shard."""

from pathlib import Path

from clip_caer.device import find_device
from clip_caer.pictures.video import find_ffmpeg
from clip_caer.predicting.windows import parse_span
from clip_caer.showing.videos import Pictures, predict_videos, write_predictions
from clip_caer.trained.run import open_run
from job import job, recorded

params, folder = snakemake.params, Path(snakemake.output.folder)
wanted, run_key = params.wanted, f"predict@{folder.parent.name}"
number = int(snakemake.wildcards.shard)
with job(snakemake), recorded(snakemake, snakemake.output.record, run_key, shard=number, params=wanted) as record:
    trained, videos = (
        open_run(snakemake.input.model, find_device(params.device)),
        [Path(video) for video in snakemake.input.videos],
    )
    window, step = map(parse_span, (wanted["window"], wanted["step"]))
    pictures = Pictures(wanted["annotate"], wanted["timeline"], wanted["anonymise"])
    ffmpeg, students = find_ffmpeg(params.ffmpeg), wanted["students"]
    table = predict_videos(videos, trained, folder, ffmpeg, window, step, students, pictures, params.names)
    write_predictions(table, folder)
    damaged = table["message"].is_not_null().sum()
    record.counts = {"videos": len(videos), "predictions": len(table) - damaged, "damaged": damaged}
