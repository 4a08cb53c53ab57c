"""The model card: what a trained run is, what it was measured to do, and what it is not for."""

from collections.abc import Mapping
from typing import Any


def model_card(about: Mapping[str, Any]) -> str:
    """Markdown, from the `about` of a packed run."""
    encoder, scores = about["encoder"], about["scores"]
    uar = scores.get("test/uar")
    lines = [
        f"# {about['name']}",
        "",
        f"A CLIP-CAER model (Zhao et al., ICCV 2025) from the experiment “{about['experiment']}”. It sees a student in "
        f"a video ({' and '.join(about['views'])}) and gives the probability of each of {len(about['classes'])} "
        "academic emotions.",
        "",
        "## Classes",
        "",
        *[f"- **{name}**: {text}" for name, text in zip(about["classes"], about["texts"], strict=True)],
        "",
        "## Measured",
        "",
        *(
            [
                f"UAR {100 * uar:.1f} % on the test clips of its split; its epoch was selected on: "
                f"{about['selected_on']}. One split and one seed: what the method can do is told by the experiment's "
                "comparison, with intervals."
                + " Students of its test clips also stand in train."
                * bool(scores.get("students_shared")),
                "",
                "| score | value |",
                "| --- | --- |",
                *[f"| {name} | {100 * value:.1f} % |" for name, value in scores.items() if isinstance(value, float)],
            ]
            if uar is not None
            else ["Nothing: this run has not been evaluated."]
        ),
        "",
        "## Made with",
        "",
        f"- image encoder: {encoder['model']}"
        + (f" ({encoder['pretrained']})" if encoder["pretrained"] else "")
        + f", {encoder['precision']}, {'fine-tuned' if encoder['finetuned'] else 'frozen'}; sha256 {encoder['sha256']}",
        f"- face detector: RetinaFace {about['faces']['detector']}, threshold {about['faces']['threshold']}",
        f"- frames: {about['segments']} of a clip; temperature {about['temperature']:.4g}",
        f"- run: {about['run_key']}; git commit {about['git_commit'] or 'unknown'}",
        "",
        "## Not for",
        "",
        "Judging a person. The model tells looks and surroundings, not minds; it is wrong as often as the scores say, "
        "and more often on students, rooms and cameras that are unlike those of its training data. The licence of that "
        "data holds for what was learned from it.",
        "",
    ]
    return "\n".join(lines)
