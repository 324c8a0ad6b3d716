"""Training of the systems that the paper compares, with tiny networks."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from support.data_folders import write_folder
from support.forked_runs import die, train_in_two
from support.resumed_runs import EVERY, STEPS, Run, assert_same
from support.training_script import fails, log_of, train

import train_accelerate
from crn_hub import CRN, ClassSet, FullResolutionNetwork, HubModel, SPADEGenerator, UNet
from crn_hub.cli import run
from crn_hub.segmentation import SmallSegmenter
from crn_hub.training.paper_settings import PAPER_SETTINGS
from crn_hub.training.systems import PERCEPTUAL, SYSTEMS, TEXTURE
from crn_hub.vgg import LAYERS

KINDS = {
    "image-space": (CRN, ("l1",)),
    "gan-segmentation": (CRN, ("adversarial", "segmentation", "discriminator")),
    "pix2pix": (UNet, ("adversarial", "l1", "discriminator")),
    "encoder-decoder": (UNet, LAYERS),
    "full-resolution": (FullResolutionNetwork, LAYERS),
    "spade": (SPADEGenerator, LAYERS),
}


def tiny(system: str) -> list[str]:
    widths = "6 6 6 4" if SYSTEMS[system].generator is CRN else "4"
    resolution = 64 if system == "spade" else 32
    return f"--resolution {resolution} --system {system} --widths {widths}".split()


@pytest.fixture(scope="module")
def segmenter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of random weights, but with the statistics of pictures: it answers to what it sees."""
    folder = tmp_path_factory.mktemp("segmenter")
    torch.manual_seed(0)
    network = SmallSegmenter(ClassSet.streets(), (32, 64)).train()
    with torch.no_grad():
        for _ in range(30):
            network(255 * torch.rand(4, 3, 1, 1) * torch.rand(4, 3, 32, 64))
        for layer in (network.network.classifier.low_classifier, network.network.classifier.high_classifier):
            layer.weight *= 30
    network.save_pretrained(folder)
    return folder


def test_every_system_is_tested() -> None:
    assert {"crn", "crn-textures", *KINDS} == set(SYSTEMS)


@pytest.mark.parametrize("system", KINDS)
def test_each_system_trains(system: str, segmenter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One photograph again and again: what is compared must come nearer, and the folder is a model like any other."""
    out, (kind, terms) = tmp_path / "model", KINDS[system]
    more = []
    if system == "gan-segmentation":
        more = ["--segmenter", str(segmenter)]
        # Against the adversary's noise: 30 steps are few.
        monkeypatch.setitem(SYSTEMS, system, replace(SYSTEMS[system], weight=100.0))
    more += "--max_train_samples 1 --max_train_steps 30 --validation_steps 15 --use_ema".split()
    more += "--learning_rate 0.003 --lr_scheduler constant --mixed_precision bf16".split()
    train(*tiny(system), *more, "--output_dir", out)
    log = log_of(out)
    entry_terms = [name for name in terms if name != "discriminator"]
    assert log[0]["loss"] == pytest.approx(sum(log[0][name] for name in entry_terms), rel=1e-4)
    compared = [name for name in entry_terms if name != "adversarial"]
    begin, end = (sum(entry[name] for entry in part for name in compared) for part in (log[:3], log[-3:]))
    assert end < 0.85 * begin
    model = HubModel.from_pretrained(out)
    assert type(model) is kind
    assert model.size == ((64, 128) if system == "spade" else (32, 64))
    settings = model.training_record["settings"]
    assert settings["system"] == system
    assert ("perceptual_net" in settings) == (terms == LAYERS)
    assert ("loss_weights" in model.training_record) == (terms == LAYERS)
    card = (out / "README.md").read_text()
    assert SYSTEMS[system].description.partition(":")[0] in card
    assert ("### Loss weights" in card) == (terms == LAYERS)
    assert {p.name for p in (out / "samples").iterdir()} == {"held-out.png", "loss-curves.png"}


@pytest.fixture(scope="module")
def adversarial(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Two optimisers, dropout, averages, accumulation and half precision."""
    folder = tmp_path_factory.mktemp("adversarial")
    data = write_folder(folder / "streets", rows=8)
    common = [*tiny("pix2pix"), *f"--dataset_name {data} --max_train_steps {STEPS} --use_ema --seed 3".split()]
    common += f"--checkpointing_steps {EVERY} --checkpoints_total_limit 1 --validation_steps 4 --random_flip".split()
    common += "--gradient_accumulation_steps 2 --mixed_precision bf16 --max_grad_norm 5 --loss_window 32".split()
    train(*common, "--output_dir", folder / "whole")
    return common, folder / "whole"


def test_killed_adversarial_training_resumes_to_the_bit(adversarial: Run, tmp_path: Path) -> None:
    """Killed in the second epoch, between accumulated batches, between the two optimisers' parts of a batch."""
    common, whole = adversarial
    out = tmp_path / "run"
    arguments = [*common, "--resume_from_checkpoint", "latest", "--output_dir", str(out)]
    die(arguments, "accelerate:Accelerator.backward", 22, "before")
    assert "resumed from" in train(*arguments).stdout
    assert_same(whole, out)
    last = f"checkpoint-{STEPS // EVERY * EVERY}"
    one, two = (load_file(folder / last / "model_1.safetensors") for folder in (whole, out))
    assert all(torch.equal(one[name], two[name]) for name in one)
    states = [torch.load(folder / last / "optimizer_1.bin", weights_only=True)["state"] for folder in (whole, out)]
    assert all(torch.equal(states[0][i][key], states[1][i][key]) for i in states[0] for key in ("step", "exp_avg"))


def test_a_cascade_grows_with_its_adversary_and_resumes(segmenter: Path, tmp_path: Path) -> None:
    common = f"--system gan-segmentation --widths 6 6 6 4 4 --segmenter {segmenter}".split()
    common += f"--stages 32:4 64:3 --max_train_samples 6 --checkpointing_steps {EVERY} --use_ema".split()
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    train(*common, "--output_dir", whole)
    arguments = [*common, "--resume_from_checkpoint", "latest", "--output_dir", str(killed)]
    die(arguments, "accelerate:Accelerator.backward", 11, "after")  # in the second stage
    SmallSegmenter(ClassSet.streets(), (32, 64)).save_pretrained(tmp_path / segmenter.name)
    other = [str(tmp_path / segmenter.name) if argument == str(segmenter) else argument for argument in arguments]
    assert "belongs to another run: segmenter was " in fails(*other)  # of the same name
    train(*arguments)
    one, two = (load_file(folder / "model.safetensors") for folder in (whole, killed))
    assert all(torch.equal(one[name], two[name]) for name in one)
    before, after = (load_file(whole / f"checkpoint-{step}" / "model_1.safetensors") for step in (4, 6))
    assert any(not torch.equal(before[name], after[name]) for name in before)
    assert all((before[name] - after[name]).abs().max() < 0.01 for name in before)  # the same discriminator


def test_accumulated_batches_are_a_larger_batch(segmenter: Path, tmp_path: Path) -> None:
    common = [*tiny("gan-segmentation"), "--segmenter", segmenter, *"--max_train_samples 4 --max_train_steps 2".split()]
    train(*common, "--train_batch_size", 2, "--output_dir", tmp_path / "batch")
    train(*common, "--gradient_accumulation_steps", 2, "--output_dir", tmp_path / "accumulated")
    for one, two in zip(log_of(tmp_path / "batch"), log_of(tmp_path / "accumulated"), strict=True):
        for name in ("adversarial", "segmentation", "discriminator", "gradient_norm", "discriminator_gradient_norm"):
            assert one[name] == pytest.approx(two[name], rel=0.01)


def test_two_processes_train_as_one_adversary(tmp_path: Path) -> None:
    common = [*tiny("pix2pix"), *"--max_train_samples 8 --max_train_steps 3 --checkpointing_steps 2".split()]
    train_in_two(*common, "--output_dir", tmp_path / "two")
    train(*common, "--train_batch_size", 2, "--output_dir", tmp_path / "one")
    one, two = (log_of(tmp_path / name)[0] for name in ("one", "two"))
    for name in ("l1", "adversarial", "discriminator"):  # dropout draws differ
        assert one[name] == pytest.approx(two[name], rel=0.05)
    states = load_file(tmp_path / "two" / "checkpoint-2" / "model_1.safetensors")
    assert all(tensor.isfinite().all() for tensor in states.values())


def test_another_network_starts_from_its_own_kind(tmp_path: Path) -> None:
    torch.manual_seed(0)
    start = UNet(ClassSet.streets(), (32, 64), 4)
    start.save_pretrained(tmp_path / "start")
    common = f"--max_train_samples 4 --max_train_steps 1 --learning_rate 1e-12 --init_from {tmp_path / 'start'}".split()
    done = train("--system", "pix2pix", *common, "--output_dir", tmp_path / "model")  # size and width follow
    assert f"10 of 10 modules start from {tmp_path / 'start'}" in done.stdout
    after = load_file(tmp_path / "model" / "model.safetensors")
    assert all(torch.allclose(after[name], tensor, atol=1e-6) for name, tensor in start.state_dict().items())


def test_a_checkpoint_of_another_system_is_not_resumed(adversarial: Run, tmp_path: Path) -> None:
    common, whole = adversarial
    arguments = [argument if argument != "pix2pix" else "encoder-decoder" for argument in common]
    (checkpoint,) = whole.glob("checkpoint-*")
    line = fails(*arguments, "--output_dir", tmp_path / "x", "--resume_from_checkpoint", checkpoint)
    assert "belongs to another run: system was pix2pix, now encoder-decoder" in line


def test_a_dry_run_of_two_optimisers(tmp_path: Path) -> None:
    done = train(*tiny("pix2pix"), *"--max_train_samples 4 --dry_run --output_dir".split(), tmp_path / "x")
    assert "built, trained, validated, saved, loaded" in done.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--system pix3pix", 'Invalid value "pix3pix" for --system. Choose from: "crn"'),
        ("--system pix2pix --stages 32 64", "--stages 32 64: a U-Net is trained at one size; leave --stages out."),
        ("--system full-resolution --widths 4 4", "--widths 4 4: a full-resolution network has one width"),
        (
            "--system encoder-decoder --resolution 34",
            "--widths: size 34 x 68: both sides must be multiples of 4",
        ),
        ("--system pix2pix --train_modules last:1", "--train_modules last:1: only for a cascade"),
        ("--system pix2pix --loss_layers input", "--loss_layers: the system pix2pix has no perceptual loss"),
        ("--system image-space --perceptual_net vgg19", "--perceptual_net: the system image-space has no perceptual"),
        ("--system image-space --num_images 2", "--num_images 2: the system image-space makes one image per layout"),
        ("--system gan-segmentation", "give one with --segmenter; crn train-segmenter makes one."),
        ("--system gan-segmentation --segmenter ./nowhere", "./nowhere: no such folder"),
        ("--system crn --segmenter x", "--segmenter: the system crn has no segmentation loss"),
        ("--system gan-segmentation --segmenter x --loss_window 32", "looks at whole images; leave it out"),
        ("--system spade --resolution 96 --widths 2000", "--resolution, --widths: width must be whole numbers 1..1024"),
        ("--system pix2pix --loss_window 16", "no side of the window may be below 32; use a height from 32 to 64"),
        (
            "--system pix2pix --dataset_name {data} --resolution 16",
            "images of 16 pixels of height are too small",
        ),
        ("--system pix2pix --adam_beta1 1", 'Invalid value "1.0" for --adam_beta1. Must be < 1'),
        (
            "--system pix2pix --mixed_precision fp16 --gradient_accumulation_steps 2",
            "fp16 and --gradient_accumulation_steps do not go together in --system pix2pix; use bf16",
        ),
        ("--system crn --resolution 32 --widths 6 6 6 6 --init_from {crn}", "cannot grow widths [4, 4, 4, 4] into [6,"),
        ("--system crn --init_from {unet}", "a U-Net, not a cascaded refinement network"),
        (
            "--system pix2pix --init_from {unet} --resolution 64",
            "makes images of 32 x 64 pixels (height x width) and has a width of 4, not 64 x 128 and 4; leave ",
        ),
    ],
)
def test_arguments_that_a_system_does_not_know_are_one_line(arguments: str, message: str, tmp_path: Path) -> None:
    data, unet, crn, out = (tmp_path / name for name in ("streets", "unet", "crn", "model"))
    if "{data}" in arguments:
        write_folder(data, rows=4)
    if "{unet}" in arguments:
        UNet(ClassSet.streets(), (32, 64), 4).save_pretrained(unet)
    if "{crn}" in arguments:
        CRN(ClassSet.streets(), (4, 4, 4, 4)).save_pretrained(crn)
    arguments = arguments.format(data=data, unet=unet, crn=crn)
    assert message in fails(*arguments.split(), "--output_dir", out)
    assert not out.exists()


def test_presets_of_the_paper_serve_every_system(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr(train_accelerate, "prepare", lambda args: seen.append(args) or sys.exit())
    for system in SYSTEMS:
        monkeypatch.setattr(sys, "argv", ["x", "--preset", "paper-256p", "--system", system])
        with pytest.raises(SystemExit):
            run(train_accelerate.app)
    for system, args in zip(SYSTEMS, seen, strict=True):
        assert (args.resolution, args.num_train_epochs, args.lr_scheduler) == ((256,), 200, "constant")
        assert (args.widths is not None) == (SYSTEMS[system].generator is CRN)
        perceptual = SYSTEMS[system].loss in (PERCEPTUAL, TEXTURE)
        assert (args.num_images, args.perceptual_net) == ((9, "vgg19") if perceptual else (None, "vgg16"))
        assert args.learning_rate == (
            None if SYSTEMS[system].adversarial else PAPER_SETTINGS["paper-256p"]["learning_rate"]
        )
