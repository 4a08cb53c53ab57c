"""Predict the validation and test clips of a split with every control that needs no training by steps."""

from clip_caer.encoder import load_clip, load_tokenizer
from clip_caer.experiment import clips_of_roles, open_stores
from clip_caer.files import read_parquet, write_parquet
from clip_caer.learning.controls import CONTROLS, mean_features, text_features
from clip_caer.learning.texts import class_texts
from clip_caer.protocol.splits import ROLES
from clip_caer.statistics import add_temperature
from job import job, recorded

params, split = snakemake.params, snakemake.wildcards.split
with job(snakemake), recorded(snakemake, snakemake.output.record, f"controls/{split}@{params.fingerprint}") as record:
    clips = read_parquet(snakemake.input.clips)
    clips = clips_of_roles(clips, read_parquet(snakemake.input.split), ROLES)
    stores = open_stores("features", {view: snakemake.input[view] for view in params.stores}, params.stores)
    ids = clips["clip_id"].to_list()
    features = {view: mean_features(table.select(ids)) for view, table in stores.items()}
    texts = None
    if "zero_shot" in params.controls:
        model, name = load_clip(params.encoder["model"], params.encoder["pretrained"]), params.encoder["model"]
        written = class_texts(params.classes, params.text["kind"], params.text["file"])
        texts = text_features(model, load_tokenizer(name), written)
    for control, path in zip(params.controls, snakemake.output.tables, strict=True):
        write_parquet(add_temperature(CONTROLS[control](clips, params.classes, features, texts), params.classes), path)
    record.tags = {"split": split}
