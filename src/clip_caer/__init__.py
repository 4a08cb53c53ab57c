"""clip-caer: what do the face, the context, and both together tell about a student's academic emotion?

The library behind the workflow: readers, faces, CLIP features, prompts, training, evaluation. It knows nothing of
Snakemake and every function can be called from a notebook. `import clip_caer` itself imports nothing heavy.
"""

__version__ = "0.1.0"
