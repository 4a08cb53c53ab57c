"""The context tokens that are learned around the class texts."""

from collections.abc import Sequence

import torch
from torch import nn

from clip_caer.errors import reject


class TextEncoder(nn.Module):
    """CLIP's text tower from token embeddings on. Frozen; gradients pass through to the context tokens.

    Attention is causal, so what stands after the longest end-of-text token changes nothing, and is not computed.
    """

    def __init__(self, clip: nn.Module):
        super().__init__()
        tower = getattr(clip, "text", clip)  # open_clip keeps the tower in `text` for some models
        self.embedding, self.transformer = tower.token_embedding, tower.transformer
        self.positions = tower.positional_embedding
        self.register_buffer("mask", tower.attn_mask, persistent=False)
        self.norm, self.projection = tower.ln_final, tower.text_projection
        self.requires_grad_(False)
        # [L, K, W] inside: of [K, L, W], torch's attention multiplies frozen weights token by token, 1.4 x slower.
        attentions = [module for module in self.transformer.modules() if isinstance(module, nn.MultiheadAttention)]
        for module in [self.transformer, *attentions] if attentions else []:
            module.batch_first = False

    def forward(self, embeddings: torch.Tensor, end: torch.Tensor) -> torch.Tensor:
        """embeddings [K, L, W] and the position of each end-of-text token, int64 [K] → text features [K, D]."""
        length = embeddings.shape[1]
        x = embeddings + self.positions[:length]
        x = self.transformer(x, attn_mask=self.mask[:length, :length])
        x = self.norm(x[torch.arange(len(x), device=x.device), end])
        return self.projection(x) if isinstance(self.projection, nn.Linear) else x @ self.projection


class PromptLearner(nn.Module):
    """Text features of the classes: `n_ctx` learnable context tokens beside each class's fixed text (CoOp's design).

    n_ctx: 0 turns learning off. class_specific: own context tokens for each class, or one set for all.
    position: where the class text stands: at the `end` (after the context tokens, as in the original), in the `middle`
    of them, or in `front`. Raises UserError for a text that does not fit CLIP's context length.
    """

    def __init__(
        self, clip: nn.Module, tokenizer, texts: Sequence[str], n_ctx: int, class_specific: bool, position: str
    ):
        super().__init__()
        self.text_encoder = TextEncoder(clip)
        before = {"end": n_ctx, "middle": n_ctx // 2, "front": 0}[position]
        written = [" ".join(["X"] * before + [text] + ["X"] * (n_ctx - before)) for text in texts]
        tokens = tokenizer(written)
        end = tokens.argmax(dim=1)  # the end-of-text token has the largest number
        self._check_length(tokenizer, written, texts, tokens.shape[1])
        place = self.text_encoder.embedding.weight.device  # a GPU, where a model before this one was moved there
        tokens = tokens[:, : int(end.max()) + 1].to(place)
        self.register_buffer("end", end, persistent=False)
        self.register_buffer("fixed", self.text_encoder.embedding(tokens).detach(), persistent=False)
        after = end[:, None] - torch.arange(n_ctx - before, 0, -1)
        places = torch.cat([torch.arange(1, before + 1).expand(len(texts), -1), after], dim=1)
        self.register_buffer("places", places, persistent=False)
        width = self.fixed.shape[-1]
        self.ctx = nn.Parameter(torch.empty(*([len(texts)] if class_specific else []), n_ctx, width).normal_(std=0.02))
        self.known: torch.Tensor | None = None  # text features, as long as nothing learns
        self.held: tuple[torch.Tensor, torch.Tensor] | None = None  # text features, and what steps see of them

    @staticmethod
    def _check_length(tokenizer, written: Sequence[str], texts: Sequence[str], limit: int) -> None:
        longest = [len(tokenizer.encode(text)) + 2 for text in written]
        reject(
            [f"{text!r} takes {n} tokens" for text, n in zip(texts, longest, strict=True) if n > limit],
            f"class texts and context tokens must fit CLIP's {limit} tokens; shorten them or lower prompts.n_ctx",
        )

    def prompts(self) -> torch.Tensor:
        """Token embeddings with the context tokens in place, [K, L, W]."""
        classes = torch.arange(len(self.fixed), device=self.fixed.device)[:, None]
        return self.fixed.index_put((classes, self.places), self.ctx.expand(len(self.fixed), -1, -1))

    def train(self, mode: bool = True) -> "PromptLearner":
        self.known = None
        return super().train(mode)

    def forward(self) -> torch.Tensor:
        """Text features of the classes, L2-normalised, [K, D]. In evaluation they are computed once: call `eval` first.

        They cost more than the rest of the model does on a batch of clips: see `hold`.
        """
        if self.held is not None and self.training:
            return self.held[1]
        if self.known is not None and not torch.is_grad_enabled():
            return self.known
        texts = self._encode()
        if not self.training and not torch.is_grad_enabled():
            self.known = texts
        return texts

    def hold(self) -> None:
        """Encode the class texts once for all steps until `learn`; before that the context tokens get no gradient."""
        texts = self._encode()
        self.held = texts, texts.detach().requires_grad_()

    def learn(self, steps: int) -> None:
        """Give the context tokens the mean gradient of the steps since `hold`; without any, what is held stays."""
        if self.ctx.numel():
            texts, seen = self.held
            self.held = None
            texts.backward(seen.grad / steps)

    def _encode(self) -> torch.Tensor:
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.ctx.numel() > 0):
            return nn.functional.normalize(self.text_encoder(self.prompts(), self.end), dim=-1)
