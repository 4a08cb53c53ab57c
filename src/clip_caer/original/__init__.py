"""The original implementation: its checkpoints, and where this pipeline differs from it.

`load_checkpoint` gives a model that computes what the original computes, from pixels to logits. Around that model this
pipeline differs on purpose. A setting that restores the original's behaviour is named where there is one:

| | the original | here | restored by |
|---|---|---|---|
| image encoder | learns, at a rate of 1e-5 | frozen, its features cached | `train.regime: finetuned` |
| order of frames | sorted as names: 1, 10, 11, …, 2 | numeric | `frames.order: text` |
| frames in training | segments of `length // 16` frames | segments over the whole clip | `train.sampling: head` |
| a missing face | the whole picture | masked | `views.face.missing: frame`, `faces.fill_gap: 0` |
| face box | 20 pixels more on each side | `views.face.margin` | `views.face.margin: 20` |
| shape of the face | squashed to a square | proportions kept, padded | `views.face.fit: squash` |
| context | the person box, letterboxed | as set | `views.context: {box: person, fit: letterbox}` |
| face within the context | seen | greyed out where asked | `views.context.blank_face: false` |
| resizing | bilinear | bicubic, as CLIP | `views.*.resample: bilinear` |
| CLIP's mean and deviation | left out | used | `encoder.normalise: none` |
| where the class text stands | after the context tokens | the same, or elsewhere | `prompts.position: end` |
| optimiser | SGD, × 0.1 at half and three quarters | AdamW, cosine | `train: {optimizer: sgd, schedule: steps}` |
| prompts | learn every step | every `train.prompts_every` steps, from the mean gradient | `train.prompts_every: 1` |
| flip and rotation | drawn for each view alone | one draw for all views | `train.flip: apart` |
| epoch that is kept | the best on the test list | the best on validation | `train.select_on: test` |
| split | its own two lists, which share all students | no student in two roles | `protocols: {official: {}}` |
| seeds | one, 42 | several | `seeds: [42]` |

`workflow/presets/raer-paper.yaml` has all of them. One thing no setting restores: validation clips are taken from the
train list also where the epoch is chosen on the test list.
"""

from clip_caer.original.model import Original, load_checkpoint

__all__ = ["Original", "load_checkpoint"]
