"""The original implementation: its checkpoints, and where this pipeline differs from it.

`load_checkpoint` gives a model that computes what the original computes, from pixels to logits. Around that model this
pipeline differs on purpose. A setting that restores the original's behaviour is named where there is one:

| | the original | here | restored by |
|---|---|---|---|
| face box | 20 pixels more on each side | as set | `views.face.margin: 20` |
| fit of the face | squashed to a square | proportions kept | `views.face.fit: squash` |
| context | the person box, letterboxed | as set | `views.context: {box: person, fit: letterbox}` |
| face in the context view | seen | greyed out where set | `views.context.blank_face: false` |
| resizing | bilinear | bicubic with antialiasing | – |
| frame features | float32, made anew each epoch | cached as float16 | – |
| image encoder | fine-tuned | frozen | – |
| class texts | described face and context | as set | `text.kind: full`, `prompts.position: end` |
| optimiser | SGD, × 0.1 at half and three quarters | as set | `train: {optimizer: sgd, schedule: steps}` |
| flip | drawn for each view alone, with a rotation | one draw for both views | – |
| epoch kept | the best on the test list | the best on the validation role | – |
| split | its two lists, which share all students | no student in two roles | `protocols: {official: {}}` |
| seeds | one | several | `seeds: [42]` |
"""

from clip_caer.original.model import Original, load_checkpoint

__all__ = ["Original", "load_checkpoint"]
