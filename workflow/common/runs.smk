# What runs are made from, beside their caches, and how they are known.


def dataset_files(wildcards):
    """What the index is made from; the demo's sheet is drawn by a rule."""
    if DEMO:
        return [DATASET["path"], f"{RESULTS}/demo/videos"]
    return []  # the state of the dataset stands among the rule's parameters


def frames_of_shard(wildcards):
    """Decoded frames; a dataset of frames is read in place."""
    return f"{RESULTS}/frames/{FP['frames']}/{wildcards.shard}" if HAS_VIDEOS else []


def experiment_settings(wildcards):
    """All that the training of a model depends on beside its features and splits."""
    settings = {key: value for key, value in SETTINGS[wildcards.model].items() if key != "encoder"}
    return settings | {
        "kind": MODELS[wildcards.model]["kind"],
        "model": wildcards.model if MODELS[wildcards.model]["kind"] == "comparator" else "clip_caer",
        "views": MODELS[wildcards.model]["views"],
        "classes": CLASSES,
        "checkpoint": checkpoint_of(wildcards.model),
        "selected_on": selected_on(wildcards.model),
        "store": STORES[wildcards.model, MODELS[wildcards.model]["views"][0]].kind,
    }


def text_file(wildcards):
    return locate(experiment_settings(wildcards)["text"]["file"])


def dealing(split):
    """How a split is dealt: what its protocol says, but for the protocol's other splits, which may come and go."""
    settings = config["protocols"][protocol_of(split)]
    return {key: value for key, value in settings.items() if key not in ("repeats", "settings")}


def run_fingerprint(wildcards):
    """Identity of a run: a changed setting is another run in MLflow, the old one stays."""
    settings = experiment_settings(wildcards)
    data = [
        dealing(wildcards.split),
        store_fingerprints(wildcards),
        clip_weights(encoder_of(wildcards.model)),
        content(text_file(wildcards)),
    ]
    return fingerprint(settings, data, CODE["train"])


def check_local_files():
    """Whatever the config names must be there before any work starts."""
    if config["faces"]["weights"]:
        check_local_weights(DETECTOR, Path(locate(config["faces"]["weights"])))
    problems = []
    for model in MODELS:
        scheme, _, place = encoder_of(model)["model"].partition(":")
        if scheme == "local-dir" and not Path(place).is_dir():
            problems.append(f"encoder.model: local-dir:{place} is no folder")
        if scheme == "original" and not Path(place).is_file():
            problems.append(f"ablations.{model}.checkpoint: there is no {place}")
        try:
            class_texts(CLASSES, SETTINGS[model]["text"]["kind"], text_file(SimpleNamespace(model=model)))
        except UserError as error:
            problems.append(f"{MODELS[model]['kind']} {model}: {error}")
    reject(sorted(set(problems)), "The configuration is wrong")


def noted(file):
    """Whether snakemake knows how a file was made, or that it was being made: its notes are named so."""
    name = urlsafe_b64encode(file.encode()).decode()
    return len(name) > 254 or any(Path(".snakemake", kind, name).exists() for kind in ("metadata", "incomplete"))


def check_notes():
    """Results without snakemake's notes on them cannot be told from stale ones: it would take them for up to date."""
    weights = [file for model in MODELS for split in SPLITS for file in run_files("weights.safetensors", model, split)]
    there = [file for file in [f"{RESULTS}/summary/report.html", *weights] if Path(file).exists()]
    if there and not any(map(noted, there)):
        raise UserError(
            f"{RESULTS}: snakemake has no notes, in {Path('.snakemake').absolute()}, of how these results were made, so "
            "nobody can tell whether they are stale. Start in the folder where they were made, bring its .snakemake "
            f"here, or delete {RESULTS}/runs and {RESULTS}/summary; caches of features, faces and frames stay good."
        )


try:
    check_notes()
    check_local_files()
    DATASET_STATE = "" if DEMO else dataset_state(DATASET)
except UserError as error:
    raise WorkflowError(str(error))


def model_key(protocol, model):
    """The MLflow run of a model under a protocol; the runs of its splits and seeds are its children.

    A further split does not change it: those that are there need not be trained anew.
    """
    split = next(split for split in SPLITS if protocol_of(split) == protocol)
    run = run_fingerprint(SimpleNamespace(model=model, split=split))
    return f"{MODELS[model]['kind']}/{model}/{protocol}@{fingerprint(run, SEEDS)}"


def public_config():
    """The configuration as the report shows it: the address of a tracking server may hold a password."""
    return {key: value for key, value in config.items() if key != "tracking"}


def control_fingerprint(wildcards):
    stores = {view: store.fp for view, store in CONTROL_STORES.items()}
    texts = [config["text"]["kind"], content(locate(config["text"]["file"]))]
    return fingerprint(dealing(wildcards.split), stores, texts, CODE["controls"])


def control_key(protocol, control):
    """The MLflow run of a control under a protocol."""
    split = next(split for split in SPLITS if protocol_of(split) == protocol)
    return f"control/{control}/{protocol}@{control_fingerprint(SimpleNamespace(split=split))}"


def run_keys():
    """(protocol, model or control) → the key of its MLflow run; in the order of the comparison."""
    keys = {}
    for protocol in PROTOCOLS:
        keys |= {(protocol, model): model_key(protocol, model) for model in MODELS}
        keys |= {(protocol, control): control_key(protocol, control) for control in CONTROLS}
    return keys


def claim_results():
    """Before the first job: no other run may be at work in the same results."""
    try:
        claim(RESULTS)
    except UserError as error:
        raise WorkflowError(str(error))
