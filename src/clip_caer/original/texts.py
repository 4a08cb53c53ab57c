"""The class texts of a checkpoint, read back from their token embeddings."""

import re
from pathlib import Path

import torch

from clip_caer.errors import reject


def read_texts(embedded: torch.Tensor, vocabulary: torch.Tensor, tokenizer, path: str | Path) -> list[str]:
    """The class texts whose token embeddings these are, one a class.

    embedded: float [K, L, W], prompts without their context tokens: start of text, text, end of text, padding.
    vocabulary: float [V, W], CLIP's token embeddings; every row of a text is an exact copy of one of them.
    path: the file, for messages. A text is spelt as its tokens tell: in lower case, with punctuation joined to the
    words where that keeps the tokens.
    Raises UserError that lists every class whose text cannot be read.
    """
    number = {row.tobytes(): token for token, row in enumerate(vocabulary.numpy())}
    texts, problems = [], []
    for k, rows in enumerate(embedded.numpy(), start=1):
        tokens = [number.get(row.tobytes()) for row in rows]
        end = tokens.index(tokenizer.eot_token_id) if tokenizer.eot_token_id in tokens else len(tokens)
        start, text = tokens[0], tokens[1:end]
        if None in text:
            problems.append(f"class {k}: {text.count(None)} of its tokens are not in CLIP's token embeddings")
        elif start != tokenizer.sot_token_id or end == len(tokens):
            problems.append(f"class {k}: it lacks the token that starts, or the one that ends a text")
        elif tokenizer.encode(tokenizer.decode(text)) != text:
            problems.append(f"class {k}: its tokens spell {tokenizer.decode(text)!r}, which is written in other tokens")
        else:
            texts.append(_spelt(text, tokenizer))
    reject(problems, f"{path}: its class texts cannot be read back from prompt_learner.token_prefix and token_suffix")
    return texts


def _spelt(tokens: list[int], tokenizer) -> str:
    text = tokenizer.decode(tokens).strip()
    joined = re.sub(r" (?=[,.;:!?'])| ?- ?", lambda space: space[0].strip(), text)
    return joined if tokenizer.encode(joined) == tokens else text
