# Using what was trained: what a run needs to be used elsewhere, and predictions for new videos.


rule settings:
    """Write down what each ablation's runs were made with, so that they can be used on other videos."""
    input:
        weights=DETECTOR_WEIGHTS,
    output:
        expand(f"{RESULTS}/runs/{{ablation}}/settings.json", ablation=ABLATIONS),
    log:
        f"{RESULTS}/logs/settings.log",
    localrule: True
    conda:
        "../../envs/data.yaml"
    params:
        made_with=[made_with(ablation) for ablation in ABLATIONS],
        code=CODE["settings"],
    script:
        "../scripts/settings.py"
