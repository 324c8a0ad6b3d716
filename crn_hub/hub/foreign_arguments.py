"""Arguments that people know from other libraries of the Hub, and what does the same here."""

from collections.abc import Iterable

INSTEAD = {
    "torch_dtype": "convert the model that is returned: .to(torch.float16)",
    "dtype": "convert the model that is returned: .to(torch.float16)",
    "device_map": 'name one device, as in map_location="cuda"; a network fits on one',
    "device": 'name it as map_location="cuda"',
    "use_safetensors": "leave it out; nothing else is read",
    "trust_remote_code": "leave it out; no code of a repo is ever run",
    "push_to_hub": "call push_to_hub(repo_id, folder=save_directory) afterwards",
    "safe_serialization": "leave it out; weights are always safetensors",
    "max_shard_size": "leave it out; weights are one file",
}


def refuse_unknown(function: str, arguments: Iterable[str]) -> None:
    """
    Raises:
        TypeError: if there are any arguments; it says what to do instead of the first one, if that is known.
    """
    for argument in arguments:
        instead = f": {INSTEAD[argument]}" if argument in INSTEAD else ""
        raise TypeError(f"{function}() has no argument {argument!r}{instead}.")
