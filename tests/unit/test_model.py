"""Prompts and the model: exact where exactness can be had, and blind where it must be."""

import pytest
import torch

from clip_caer.encoder import ImageEncoder, load_clip, load_tokenizer
from clip_caer.errors import UserError
from clip_caer.learning.model import ClipCaer, TemporalEncoder, learned
from clip_caer.learning.prompts import PromptLearner
from clip_caer.learning.texts import class_texts
from tiny_clip import save_random_clip

TEXTS = ["a smiling face, a book in both hands", "a calm face", "a face that is turned away from the desk"]


@pytest.fixture(scope="module")
def name(tmp_path_factory):
    return save_random_clip(tmp_path_factory.mktemp("clip"))


@pytest.fixture
def clip(name):
    return load_clip(name, None)


@pytest.fixture(scope="module")
def tokenizer(name):
    return load_tokenizer(name)


@pytest.mark.parametrize("position", ["end", "middle", "front"])
@pytest.mark.parametrize("n_ctx", [0, 1, 8])
@pytest.mark.parametrize("class_specific", [True, False])
def test_prompts_are_the_text_that_they_stand_for(clip, tokenizer, position, n_ctx, class_specific):
    """With the embeddings of "X" as context tokens, the prompts are plain text, which CLIP itself can encode."""
    learner = PromptLearner(clip, tokenizer, TEXTS, n_ctx, class_specific, position)
    x = clip.token_embedding(tokenizer("X")[0, 1])
    learner.ctx.data[:] = x
    before = {"end": n_ctx, "middle": n_ctx // 2, "front": 0}[position]
    written = [" ".join(["X"] * before + [text] + ["X"] * (n_ctx - before)) for text in TEXTS]
    expected = clip.encode_text(tokenizer(written), normalize=True)
    torch.testing.assert_close(learner(), expected, rtol=1e-5, atol=1e-6)


def test_only_the_context_tokens_learn(clip, tokenizer):
    learner = PromptLearner(clip, tokenizer, TEXTS, 4, True, "end")
    assert [name for name, p in learner.named_parameters() if p.requires_grad] == ["ctx"]
    learner().sum().backward()
    assert learner.ctx.grad.abs().sum() > 0
    assert learner.ctx.shape == (3, 4, 64)


def test_held_texts_are_encoded_once_and_learn_the_mean_of_the_steps(clip, tokenizer):
    learner = PromptLearner(clip, tokenizer, TEXTS, 4, True, "end").double().train()  # float32 adds up differently
    steps = torch.randn(3, 3, 5, 64, dtype=torch.double)
    sum((step @ learner().T).square().mean() for step in steps).backward()
    expected, learner.ctx.grad = learner.ctx.grad / len(steps), None
    encoded = []
    learner.text_encoder.register_forward_hook(lambda *_: encoded.append(True))
    learner.hold()
    for step in steps:
        (step @ learner().T).square().mean().backward()
        assert learner.ctx.grad is None
    learner.learn(len(steps))
    torch.testing.assert_close(learner.ctx.grad, expected, rtol=1e-9, atol=1e-12)
    assert len(encoded) == 1


def test_the_models_of_further_seeds_are_built_where_the_first_one_took_the_text_tower(clip, tokenizer):
    PromptLearner(clip, tokenizer, TEXTS, 4, True, "end").to("meta")
    places = []
    clip.token_embedding.register_forward_pre_hook(
        lambda embedding, given: places.append((given[0].device, embedding.weight.device))
    )
    PromptLearner(clip, tokenizer, TEXTS, 4, True, "end")
    assert places == [(torch.device("meta"), torch.device("meta"))]


def test_texts_without_context_tokens_are_not_differentiated(clip, tokenizer):
    learner = PromptLearner(clip, tokenizer, TEXTS, 0, True, "end").train()
    learner.hold()
    assert learner.held[0].grad_fn is None
    held = learner.held
    learner().sum().backward()
    learner.learn(1)
    assert learner.held is held, "nothing learns, so the texts need not be encoded again"


def test_a_text_that_does_not_fit_is_told(clip, tokenizer):
    with pytest.raises(UserError, match="77 tokens"):
        PromptLearner(clip, tokenizer, ["a very long text " * 30], 8, True, "end")


def temporal(layers=1, **change):
    torch.manual_seed(0)
    settings = {"segments": 6, "layers": layers, "heads": 2, "head_width": 8, "mlp_width": 32, "dropout": 0.1} | change
    return TemporalEncoder(16, **settings).eval()


@pytest.mark.parametrize("layers", [0, 1, 2])
def test_what_a_frame_without_a_face_holds_changes_nothing(layers):
    encoder, frames = temporal(layers), torch.randn(2, 6, 16)
    found = torch.tensor([[1, 1, 0, 1, 0, 1], [0, 0, 0, 0, 0, 0]], dtype=torch.bool)
    other = torch.where(found[..., None], frames, torch.randn(2, 6, 16))
    torch.testing.assert_close(encoder(frames, found), encoder(other, found))
    assert encoder(frames, found).isfinite().all()
    assert not torch.allclose(encoder(frames, found), encoder(frames, torch.ones_like(found)))


def test_only_a_temporal_encoder_with_layers_sees_the_order():
    frames, found = torch.randn(1, 6, 16), torch.ones(1, 6, dtype=torch.bool)
    mean, transformer = temporal(0), temporal(1)
    torch.testing.assert_close(mean(frames, found), mean(frames.flip(1), found))
    assert not torch.allclose(transformer(frames, found), transformer(frames.flip(1), found), atol=1e-3)


def test_the_fused_model_gives_scaled_cosines(clip, tokenizer):
    settings = {"segments": 6, "layers": 1, "heads": 2, "head_width": 8, "mlp_width": 32, "dropout": 0.0}
    model = ClipCaer(["face", "context"], 64, PromptLearner(clip, tokenizer, TEXTS, 4, False, "end"), settings).eval()
    features = {view: torch.randn(5, 6, 64) for view in ("face", "context")}
    found = {view: torch.ones(5, 6, dtype=torch.bool) for view in features}
    video = model.video(features, found)
    torch.testing.assert_close(video.norm(dim=-1), torch.ones(5))
    torch.testing.assert_close(model(features, found), 100 * video @ model.prompts().T)
    assert not any("text_encoder" in name for name in learned(model))
    assert learned(model)["prompts.ctx"].shape == (4, 64)


def test_parameters_at_the_papers_size_are_as_published(clip):
    """DESIGN: temporal 2 × 2,110,464; fusion 524,800."""
    settings = {"segments": 16, "layers": 1, "heads": 8, "head_width": 64, "mlp_width": 1024, "dropout": 0.1}
    model = ClipCaer(["face", "context"], 512, torch.nn.Identity(), settings)

    def count(part):
        return sum(p.numel() for p in part.parameters())

    assert count(model.temporal["face"]) == count(model.temporal["context"]) == 2_110_464
    assert count(model.fusion) == 524_800


def test_the_image_encoder_normalises_as_clip_does(clip):
    import numpy as np

    crops = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), np.uint8)
    pixels = torch.from_numpy(crops).permute(0, 3, 1, 2) / 255
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (clip.visual.image_mean, clip.visual.image_std))
    expected = clip.encode_image((pixels - mean) / std)
    torch.testing.assert_close(ImageEncoder(clip)(crops), expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(ImageEncoder(clip, "none")(crops), clip.encode_image(pixels), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("model", "pretrained", "precision", "expected"),
    [
        ("ViT-B-32", "openai", "fp32", "-quickgelu"),
        ("ViT-B-33", "openai", "fp32", "no model 'ViT-B-33'"),
        ("ViT-B-32", None, "fp32", "needs weights"),
        ("local-dir:/nowhere", None, "fp32", "no open_clip_config.json"),
        ("ViT-B-32", "laion2b_s34b_b79k", "fp8", "precision"),
    ],
)
def test_what_cannot_be_loaded_is_told(model, pretrained, precision, expected):
    with pytest.raises(UserError, match=expected):
        load_clip(model, pretrained, precision)


def test_a_file_that_holds_no_weights_is_told(tmp_path):
    (tmp_path / "weights.pt").write_bytes(b"no weights")
    with pytest.raises(UserError, match=r"weights\.pt"):
        load_clip("ViT-S-32", str(tmp_path / "weights.pt"))


def test_class_texts(tmp_path):
    path = tmp_path / "texts.yaml"
    path.write_text("a: {names: A, face: a face}\nb: {names: B}\n")
    assert class_texts(["b", "a"], "names", path) == ["B", "A"]
    assert class_texts(["b", "a"], "names", None) == ["b", "a"]
    with pytest.raises(UserError, match=r"texts\.yaml.*(?s:.)*class 'b' has no text of kind 'face'"):
        class_texts(["a", "b"], "face", path)
    with pytest.raises(UserError, match=r"text\.file"):
        class_texts(["a"], "full", None)
    path.write_text("- a\n- b\n")
    with pytest.raises(UserError, match="expected a mapping"):
        class_texts(["a"], "names", path)
