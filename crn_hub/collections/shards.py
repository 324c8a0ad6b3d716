"""Frames of a collection -> shards of parquet, verified, on all cores, in constant memory, resumable shard by shard."""

import hashlib
import io
import json
import os
import signal
import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_all_start_methods, get_context, parent_process
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tqdm import tqdm

from crn_hub.classes import UNLABELLED, LayoutError
from crn_hub.collections.listing import Frame, Listing, Picture
from crn_hub.data import LabelReader
from crn_hub.data.cells import Content, read_photograph_cell
from crn_hub.files import appearing, write_text
from crn_hub.text import clause

SHARD_BYTES = 500 * 10**6  # as many as the datasets library puts into a shard for the Hub
GROUP_BYTES = 32 * 10**6  # of a row group, which is written at once
AHEAD = 4  # rows that each process may have ready
QUALITY = 95  # of resized photographs, as JPEG with full colour
WORK = ".work"  # in the output folder until all is done: what has been done, and of what
MADE = ".made.json"  # there when all is done: of what, and what is in it
IDENTITY = "identity"  # in WORK
DATA = "data"  # the folder of the shards


@dataclass(frozen=True)
class Shard:
    """
    Attributes:
        split: that it belongs to.
        name: of its file in `DATA`.
        frames: its rows.
    """

    split: str
    name: str
    frames: Sequence[Frame]


@dataclass(frozen=True)
class Row:
    """A row, ready to be written.

    Attributes:
        photograph, label: the bytes of their files; no label if it is withheld.
        pixels: (n + 1,), how many pixels each class has, unlabelled last.
        problem: what is wrong with the frame, which is left out then; "" if nothing.
    """

    photograph: bytes
    label: bytes | None
    pixels: np.ndarray
    problem: str


def plan_shards(listing: Listing, height: int | None) -> list[Shard]:
    """The shards of all splits, the same whenever the same files are listed.

    Args:
        listing: the collection.
        height: that photographs are brought to; None to keep them.
    """
    shards = []
    for split, frames in listing.splits.items():
        scale = _scale(frames, height)
        parts: list[list[Frame]] = [[]]
        size = 0.0
        for frame in frames:
            of_frame = scale * sum(_bytes_of(picture) for picture in (frame.photograph, frame.label) if picture)
            if parts[-1] and size + of_frame > SHARD_BYTES:
                parts.append([])
                size = 0.0
            parts[-1].append(frame)
            size += of_frame
        name = f"{split}-{{:05}}-of-{len(parts):05}.parquet"
        shards += [Shard(split, name.format(number), part) for number, part in enumerate(parts)]
    return shards


def write_shards(listing: Listing, output: Path, height: int | None, skip_bad: bool) -> dict[str, Any]:
    """Writes the shards that are not there yet; shows a progress bar.

    Args:
        listing: the collection.
        output: the folder of the data set.
        height: as for `plan_shards`.
        skip_bad: leave out frames that cannot be used.

    Returns:
        {"rows": of each split, "pixels": of each class in each split, "left_out": what is wrong with each such frame}.

    Raises:
        FileExistsError: if the folder holds another data set, or the beginning of another.
        LayoutError: naming a frame that cannot be used, without `skip_bad`.
    """
    shards = plan_shards(listing, height)
    work, identity = output / WORK, _identity(listing, shards, height, skip_bad)
    if (output / MADE).is_file():
        return _made_before(output, identity)
    _begin(work, identity)
    done = {shard.name: facts for shard in shards if (facts := _facts_of(work, output, shard)) is not None}
    total = sum(len(shard.frames) for shard in shards)
    start = sum(len(shard.frames) for shard in shards if shard.name in done)
    reader = LabelReader(listing.classes, listing.options)
    make = partial(make_row, reader=reader, height=height)
    workers = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with (
        ProcessPoolExecutor(workers, _context(), _begin_process) as pool,
        tqdm(total=total, initial=start, desc="reading frames", unit="frame") as bar,
    ):
        try:
            for shard in shards:
                if shard.name not in done:
                    rows = _in_order(pool, make, shard.frames, AHEAD * workers)
                    done[shard.name] = _write_shard(output, work, shard, rows, listing, skip_bad, bar)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return _sum_up(listing, shards, done)


def finish_shards(output: Path, facts: dict[str, Any]) -> None:
    """Records that all is done, with what `write_shards` returned, and removes what is only needed to resume."""
    if not (output / WORK).is_dir():
        return
    made = {"identity": (output / WORK / IDENTITY).read_text(encoding="utf-8"), "facts": facts}
    write_text(output / MADE, json.dumps(made))
    for file in (output / WORK).iterdir():
        file.unlink()
    (output / WORK).rmdir()


def make_row(frame: Frame, reader: LabelReader, height: int | None) -> Row:
    """Reads and verifies a frame; runs in a process of its own.

    Args:
        frame: the frame.
        reader: of its label map.
        height: that the photograph and the label map are brought to; None to keep the former as the file that it is.
    """
    nothing = np.zeros(len(reader.classes) + 1, np.int64)
    try:
        return _make_row(frame, reader, height, nothing)
    except (ValueError, OSError, SyntaxError) as error:
        return Row(b"", None, nothing, str(error))


def _make_row(frame: Frame, reader: LabelReader, height: int | None, nothing: np.ndarray) -> Row:
    try:
        pixels, _ = read_photograph_cell(_content(frame.photograph))
    except ValueError as error:
        raise LayoutError(f"{frame.photograph}: {clause(error)}.") from error
    if height is not None:
        photograph = _resized_photograph(pixels, height)
    elif isinstance(frame.photograph, Path):
        photograph = frame.photograph.read_bytes()
    else:
        photograph = _as_png(Image.fromarray(pixels))
    if frame.label is None:
        return Row(photograph, None, nothing, "")
    ids = reader.read(_content(frame.label), str(frame.label)).ids
    if ids.shape != pixels.shape[:2]:
        raise LayoutError(
            f"{frame.photograph}: {pixels.shape[1]} x {pixels.shape[0]} pixels, its label map {frame.label.name} has "
            f"{ids.shape[1]} x {ids.shape[0]}; they must be equal."
        )
    picture = Image.fromarray(ids)
    if height is not None:
        picture = picture.resize(_size(picture.size, height), Image.Resampling.NEAREST)
    counts = np.bincount(np.asarray(picture).ravel(), minlength=256)
    counts = np.append(counts[: len(reader.classes)], counts[UNLABELLED])
    return Row(photograph, _as_png(picture), counts, "")


def _content(picture: Picture) -> Content:
    return picture if isinstance(picture, Path) else picture.read()


def _bytes_of(picture: Picture) -> int:
    return os.stat(picture).st_size if isinstance(picture, Path) else picture.size


def _as_png(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "PNG", optimize=True)
    return file.getvalue()


def _resized_photograph(pixels: np.ndarray, height: int) -> bytes:
    picture = Image.fromarray(pixels)
    file = io.BytesIO()
    size = _size(picture.size, height)
    picture.resize(size, Image.Resampling.LANCZOS).save(file, "JPEG", quality=QUALITY, subsampling=0)
    return file.getvalue()


def _size(size: tuple[int, int], height: int) -> tuple[int, int]:
    return max(1, round(size[0] * height / size[1])), height


def _scale(frames: Sequence[Frame], height: int | None) -> float:
    """About how many bytes each byte of a file becomes."""
    if height is None:
        return 1.0
    first = frames[0].photograph
    if not isinstance(first, Path):
        return min(1.0, (height / first.read().shape[0]) ** 2)
    with Image.open(first) as picture:  # only the header
        return min(1.0, (height / picture.height) ** 2)


def _begin_process() -> None:
    """Makes a process end with the one that began it, and only then: Ctrl-C reaches all of them."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def end_with(other: Any) -> None:
        other.join()
        os._exit(1)

    threading.Thread(target=end_with, args=(parent_process(),), daemon=True).start()


def _context() -> Any:
    """How processes begin: by a fork of one that has imported what they need, where there is such a thing."""
    if "forkserver" not in get_all_start_methods():
        return get_context("spawn")
    context = get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context


# -- one shard ---------------------------------------------------------------------------------------


def _in_order(pool: ProcessPoolExecutor, make: Any, frames: Sequence[Frame], ahead: int) -> Iterator[tuple[Frame, Row]]:
    """The rows of frames in their order, with at most `ahead` of them in memory."""
    waiting: deque[tuple[Frame, Future[Row]]] = deque()
    for frame in frames:
        waiting.append((frame, pool.submit(make, frame)))
        if len(waiting) >= ahead:
            first, future = waiting.popleft()
            yield first, future.result()
    while waiting:
        first, future = waiting.popleft()
        yield first, future.result()


def _write_shard(
    output: Path,
    work: Path,
    shard: Shard,
    rows: Iterator[tuple[Frame, Row]],
    listing: Listing,
    skip_bad: bool,
    bar: Any,
) -> dict[str, Any]:
    import pyarrow as pa
    import pyarrow.parquet as pq
    from datasets import Features, Value
    from datasets import Image as ImageFeature

    columns = listing.columns
    schema = Features(
        {"image": ImageFeature(), "label": ImageFeature(), **{name: Value("string") for name in columns}}
    ).arrow_schema
    pixels, left_out, count, size = np.zeros(len(listing.classes) + 1, np.int64), [], 0, 0
    group: list[dict[str, Any]] = []
    (output / DATA).mkdir(exist_ok=True)
    with appearing(output / DATA / shard.name, drafts=work) as draft:
        with pq.ParquetWriter(draft, schema, compression="none") as writer:  # pictures are packed

            def flush() -> None:
                if group:
                    writer.write_table(pa.Table.from_pylist(group, schema))
                group.clear()

            for frame, row in rows:
                bar.update()
                if row.problem:
                    if not skip_bad:
                        raise LayoutError(f"{row.problem.rstrip('.')}. --skip-bad-rows leaves such frames out.")
                    left_out.append(row.problem)
                    continue
                group.append(_cells(frame, row, columns))
                size += len(row.photograph) + len(row.label or b"")
                pixels += row.pixels
                count += 1
                if size >= GROUP_BYTES:
                    flush()
                    size = 0
            flush()
        facts = {"rows": count, "pixels": pixels.tolist(), "left_out": left_out}
        write_text(work / f"{shard.name}.json", json.dumps(facts))  # before the shard, which says that it is done
    return facts


def _cells(frame: Frame, row: Row, columns: Sequence[str]) -> dict[str, Any]:
    stem = Path(frame.photograph.name).stem
    name = frame.photograph.name if row.photograph[:2] != b"\xff\xd8" else f"{stem}.jpg"
    label = None if row.label is None else {"bytes": row.label, "path": f"{stem}.png"}
    return {
        "image": {"bytes": row.photograph, "path": name},
        "label": label,
        **{column: frame.columns.get(column) for column in columns},
    }


# -- resuming ----------------------------------------------------------------------------------------


def _identity(listing: Listing, shards: Sequence[Shard], height: int | None, skip_bad: bool) -> str:
    """What the shards are made of and how; the same for the same files and options."""
    options = {name: value for name, value in vars(listing.options).items() if name != "skip_bad_rows"}
    known = hashlib.sha256(json.dumps([listing.classes.to_list(), options, height, skip_bad], default=str).encode())
    for shard in shards:
        known.update(shard.name.encode())
        for frame in shard.frames:
            for picture in (frame.photograph, frame.label):
                if picture is None:
                    continue
                stat = os.stat(picture if isinstance(picture, Path) else picture.file)
                known.update(f"{picture}\0{stat.st_size}\0{stat.st_mtime_ns}\0{sorted(frame.columns.items())}".encode())
    return known.hexdigest()


def _made_before(output: Path, identity: str) -> dict[str, Any]:
    """What is in a data set that has been made.

    Raises:
        FileExistsError: if it is another one.
    """
    with suppress(OSError, ValueError, KeyError):
        made = json.loads((output / MADE).read_text(encoding="utf-8"))
        if made["identity"] == identity:
            facts: dict[str, Any] = made["facts"]
            return facts
    raise FileExistsError(
        f"--output {output}: holds another data set, of other files or made with other options; choose a new folder."
    )


def _begin(work: Path, identity: str) -> None:
    """Makes the folder of what is only needed to resume, or finds it.

    Raises:
        FileExistsError: if it belongs to other files or options.
    """
    mark = work / IDENTITY
    if work.is_dir():
        if not mark.is_file() or mark.read_text(encoding="utf-8") != identity:
            raise FileExistsError(
                f"--output {work.parent}: holds the beginning of another data set, of other files or made with other "
                "options; remove it, or choose a new folder."
            )
        for draft in work.glob(".*"):
            draft.unlink()
    else:
        work.mkdir(parents=True)
        write_text(mark, identity)


def _facts_of(work: Path, output: Path, shard: Shard) -> dict[str, Any] | None:
    """What is known of a shard that has been written; None if it hasn't."""
    if (output / DATA / shard.name).is_file():
        with suppress(OSError, ValueError):
            facts: dict[str, Any] = json.loads((work / f"{shard.name}.json").read_text(encoding="utf-8"))
            return facts
    return None


def _sum_up(listing: Listing, shards: Sequence[Shard], done: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    rows, pixels = {}, {}
    for split in listing.splits:
        of_split = [done[shard.name] for shard in shards if shard.split == split]
        rows[split] = sum(facts["rows"] for facts in of_split)
        pixels[split] = np.sum([facts["pixels"] for facts in of_split], axis=0).tolist()
    left_out = [problem for shard in shards for problem in done[shard.name]["left_out"]]
    return {"rows": rows, "pixels": pixels, "left_out": left_out}
