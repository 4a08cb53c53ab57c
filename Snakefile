"""clip-caer: what do the face, the context, and both together tell about a student's academic emotion?"""

from snakemake.utils import min_version

min_version("9.0")


# An experiment is one file; what it leaves out has the schema's default, not the demo's value.
if not workflow.config_settings.configfiles:

    configfile: f"{workflow.basedir}/config.yaml"


include: "workflow/common/config.smk"
include: "workflow/common/caches.smk"
include: "workflow/common/runs.smk"
include: "workflow/common/use.smk"
include: "workflow/common/tracking.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/features.smk"
include: "workflow/rules/experiment.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/predict.smk"


rule all:
    default_target: True
    input:
        f"{RESULTS}/summary/report.html",
        f"{RESULTS}/mlflow.db" if not config["tracking"]["uri"] else [],
        expand(f"{RESULTS}/tracking/{{stage}}.json", stage=STAGES),
        expand(f"{RESULTS}/runs/{{ablation}}/settings.json", ablation=ABLATIONS),
        # Named here too, a file that a killed rerun took away comes back, although the report does not ask for it.
        [run_files(name, model, split) for name in KEPT for model in MODELS for split in SPLITS],
        rules.predict.output if config["predict"]["videos"] else [],


onstart:
    claim_results()


onerror:
    publish_failures()
