"""The name forms that open_clip loads: published tags, hub repositories, model folders and weight files."""

from collections.abc import Callable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from torch import Tensor, nn

from pointclip.errors import WeightsError
from pointclip.weights import companions, normalization
from pointclip.weights import files as _checkpoints
from pointclip.weights import hub as _hub
from pointclip.weights.skip_init import SkipInit

FORMS = "'embedded', 'ARCH/TAG' such as 'ViT-B-16/openai', 'hf-hub:ORG/NAME', 'local-dir:PATH' or 'ARCH@FILE'"
QUICK = "-quickgelu"
_CARD = "see the model card"
T = TypeVar("T")


class Parts(NamedTuple):
    """What a loader brings together: the model, its tokenizer, where it is from and under which licence."""

    model: Any
    tokenizer: Callable[[Sequence[str]], Tensor]
    source: str
    licence: str


class Name(NamedTuple):
    """A model name taken apart: its form, the architecture or "", and the tag, repository, folder or file."""

    form: str
    arch: str
    place: str


def parse(name: str) -> Name:
    """Take a model name apart by its form.

    Raises:
        WeightsError: It has none of the five forms.

    Example:
        >>> parse("ViT-B-16/openai")
        Name(form='tag', arch='ViT-B-16', place='openai')
        >>> parse("RN50@weights/mine.pt").form
        'file'
    """
    if name == "embedded":
        return Name("embedded", "", "")
    for prefix, form in (("hf-hub:", "hub"), ("local-dir:", "folder")):
        if name.startswith(prefix) and len(name) > len(prefix):
            return Name(form, "", name[len(prefix) :])
    for sign, form in (("@", "file"), ("/", "tag")):
        arch, found, place = name.partition(sign)
        if found and arch and place and ":" not in arch:
            return Name(form, arch, place)
    hint = "; did you mean 'embedded'?" if get_close_matches(name, ["embedded"]) else ""
    if tags := _tags(name):
        hint = f"; add a tag, such as {name}/{tags[0]}"
    raise WeightsError(f"no model is called {name!r}: expected {FORMS}{hint}")


def load_tag(name: str, parsed: Name, cache_dir: str | None) -> Parts:
    """Load a published tag of open_clip, from the local cache or else the hub."""
    arch, tag = parsed.arch, parsed.place
    probe = _hub.Probe() if _hub.cache_is_empty(cache_dir) else None
    if probe and _hub.is_published(arch, tag) and (failure := probe.failure()):
        raise _hub.unreachable(name, failure)  # before seconds go into importing open_clip
    import open_clip

    check_arch(arch, name)
    published = open_clip.get_pretrained_cfg(arch, tag)
    if not published:
        raise WeightsError(f"{arch} has no published weights {tag!r}: {_close(tag, _tags(arch))}")
    quick = wants_quick_gelu(arch, tag)

    def attempt() -> Parts:
        path = Path(open_clip.download_pretrained(published, cache_dir=cache_dir))
        preprocess = {
            key: published[key] for key in ("mean", "std", "interpolation", "resize_mode") if key in published
        }
        model = _create(arch, path, force_quick_gelu=quick, force_preprocess_cfg=preprocess, cache_dir=cache_dir)
        tokenizer = companions.tokenizer(arch, cache_dir)
        return Parts(model, tokenizer, f"https://huggingface.co/{_repo(published)}", f"{_CARD} of {_repo(published)}")

    return local_first(name, attempt, probe)


def load_hub(name: str, parsed: Name, cache_dir: str | None) -> Parts:
    """Load a repository of the Hugging Face hub that holds an open_clip model, from the local cache or else the hub."""
    repo = parsed.place
    if repo.count("/") != 1:
        raise WeightsError(f"{name!r} does not name a hub repository: expected hf-hub:ORG/NAME")
    probe = None if _hub.cached_file(repo, (_hub.CONFIG_FILE,), cache_dir) else _hub.Probe()
    from open_clip.pretrained import download_pretrained_from_hf

    def attempt() -> Parts:
        config = download_pretrained_from_hf(repo, filename=_hub.CONFIG_FILE, cache_dir=cache_dir)
        _checkpoints.check_config(Path(config))
        path = Path(download_pretrained_from_hf(repo, cache_dir=cache_dir))
        model = _create(name, path, require_pretrained=True, cache_dir=cache_dir)
        tokenizer = companions.tokenizer(name, cache_dir)
        return Parts(model, tokenizer, f"https://huggingface.co/{repo}", f"{_CARD} of {repo}")

    return local_first(name, attempt, probe)


def load_folder(name: str, parsed: Name, cache_dir: str | None) -> Parts:
    """Load a folder with ``open_clip_config.json`` and weights."""
    folder = Path(parsed.place).expanduser()
    weights = _checkpoints.check_folder(folder)

    def attempt() -> Parts:
        where = f"local-dir:{folder}"
        model = _create(where, weights, require_pretrained=True, cache_dir=cache_dir)
        return Parts(model, companions.tokenizer(where, cache_dir), str(folder), "of the folder's owner")

    return local_first(name, attempt)


def load_file(name: str, parsed: Name, cache_dir: str | None, told: bool = False) -> Parts:
    """Load a local weight file into a named architecture; ``told`` is whether mean and deviation are given."""
    arch, path = parsed.arch, Path(parsed.place).expanduser()
    _checkpoints.check_readable(path)
    check_arch(arch, name)
    if not told:
        normalization.refuse_disagreement(name, arch)
    preprocess = normalization.of_architecture(arch)

    def attempt() -> Parts:
        if _checkpoints.is_torchscript(path):
            model = _create_from_torchscript(arch, path, preprocess)
        else:
            model = _create(arch, path, force_preprocess_cfg=preprocess, cache_dir=cache_dir)
        return Parts(model, companions.tokenizer(arch, cache_dir), str(path), "of the file's owner")

    return local_first(name, attempt)


def local_first(name: str, attempt: Callable[[], T], probe: _hub.Probe | None = None) -> T:
    """Try without network; if something is not cached and the hub can be reached, try again with it.

    Raises:
        WeightsError: Not cached, and the hub cannot be reached or does not give it.
    """
    try:
        with _hub.offline():
            return attempt()
    except OSError as error:
        missing = error
    failure = (probe or _hub.Probe()).failure()
    if failure and isinstance(missing, companions.MissingCompanionError):
        raise missing.unreachable(name, failure) from missing
    if failure:
        raise _hub.unreachable(name, failure) from missing
    try:
        return attempt()
    except OSError as error:
        raise WeightsError(f"{name!r} could not be downloaded: {_one_line(error)}") from error


def wants_quick_gelu(arch: str, tag: str) -> bool:
    """Tell whether QuickGELU must be switched on for a published tag, and refuse a name with the wrong activation.

    Args:
        arch: An architecture of open_clip.
        tag: One of its published tags.

    Returns:
        True for OpenAI's own weights under their plain architecture name, else False: as the architecture says.

    Raises:
        WeightsError: The tag was trained with QuickGELU and the architecture has GELU; the right name is suggested.
    """
    import open_clip

    trained = bool(open_clip.get_pretrained_cfg(arch, tag).get("quick_gelu", False))
    if not trained or open_clip.get_model_config(arch).get("quick_gelu", False):
        return False
    if open_clip.get_pretrained_cfg(arch, tag) == open_clip.get_pretrained_cfg(arch, "openai"):
        return True
    raise WeightsError(
        f"the weights {tag!r} of {arch} were trained with QuickGELU, and {arch} has GELU: ask for {arch}{QUICK}/{tag}"
    )


def cached_tag(arch: str, tag: str, cache_dir: str | None) -> Path | None:
    """Find the weight file of a published tag in the local cache."""
    import open_clip

    repo_and_file = open_clip.get_pretrained_cfg(arch, tag).get("hf_hub", "")
    repo, _, file = repo_and_file.rpartition("/")
    if not repo:
        return None
    stem = Path(file).stem
    names = (f"{stem}.safetensors", file) if file else ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
    return _hub.cached_file(repo, names, cache_dir)


def _create(arch: str, weights: Path, **options: Any) -> nn.Module:
    import open_clip

    _checkpoints.check_readable(weights)
    by_hand = ":" in arch and weights.suffix in _checkpoints.BY_HAND
    if by_hand:
        options = {**options, "load_weights": False, "require_pretrained": False}
    elif ":" not in arch:
        options["pretrained"] = str(weights)
    try:
        with SkipInit(), _checkpoints.no_word_of_random_weights():
            model = open_clip.create_model(arch, pretrained_text=False, weights_only=True, **options)
            if by_hand:
                open_clip.load_checkpoint(model, str(weights))
            return model
    except OSError as error:
        if lacking := companions.missing_text_settings(arch):
            raise lacking from error
        raise
    except Exception as error:
        raise WeightsError(f"{weights} could not be loaded: {_checkpoints.summary(error, arch)}") from error


def untrained(arch: str) -> nn.Module:
    """Build an architecture with random weights."""
    import open_clip

    try:
        return open_clip.create_model(arch, load_weights=False, pretrained_text=False)
    except OSError as error:
        if lacking := companions.missing_text_settings(arch):
            raise lacking from error
        raise


def _create_from_torchscript(arch: str, path: Path, preprocess: dict[str, Any]) -> nn.Module:
    import open_clip

    if not open_clip.get_model_config(arch).get("quick_gelu", False):
        raise WeightsError(
            f"{path} is a TorchScript archive as OpenAI published them, trained with QuickGELU, and {arch} has GELU: "
            f"ask for {arch}{QUICK}@{path}"
        )
    with SkipInit(), _checkpoints.no_word_of_random_weights():
        model = open_clip.create_model(arch, load_weights=False, force_preprocess_cfg=preprocess)
    try:
        _checkpoints.load_torchscript(model, path)
    except RuntimeError as error:
        raise WeightsError(f"{path} could not be loaded: {_checkpoints.summary(error, arch)}") from error
    return model


def check_arch(arch: str, name: str) -> None:
    """Refuse an architecture that open_clip does not have.

    Raises:
        WeightsError: With the nearest names.
    """
    import open_clip

    known = open_clip.list_models()
    if arch not in known:
        raise WeightsError(f"open_clip has no architecture {arch!r}, asked for by {name!r}: {_close(arch, known)}")


def _tags(arch: str) -> list[str]:
    import open_clip

    return open_clip.list_pretrained_tags_by_model(arch)


def _close(word: str, known: Sequence[str]) -> str:
    lowered = {entry.lower(): entry for entry in known}
    close = [lowered[entry] for entry in get_close_matches(word.lower(), lowered, n=3, cutoff=0.5)]
    if close:
        return f"did you mean {' or '.join(close)}? See all with: pointclip models"
    if len(known) > 8 or not known:
        return "see all names with: pointclip models"
    return f"known are {', '.join(known)}"


def _repo(published: dict[str, Any]) -> str:
    return "/".join(published.get("hf_hub", "").split("/")[:2])


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300]
