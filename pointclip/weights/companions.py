"""What open_clip takes from the hub besides weights: the tokenizers of some models, settings of text towers."""

from collections.abc import Callable, Sequence
from pathlib import Path

from torch import Tensor

from pointclip.errors import WeightsError
from pointclip.weights import hub as _hub


class MissingCompanionError(OSError):
    """Something beside the weights is not in the local cache.

    Args:
        what: Its kind, with an article.
        repo: The hub repository that has it.
        bring: A line of Python that brings it into the cache.
    """

    def __init__(self, what: str, repo: str, bring: str) -> None:
        super().__init__(f"{what} comes from {repo}")
        self.what, self.repo, self.bring = what, repo, bring

    def unreachable(self, name: str, failure: str) -> WeightsError:
        """Word what is missing, why it cannot be fetched now, and how to bring it."""
        return WeightsError(
            f"{name!r} takes {self.what} from the hub's {self.repo}, which is not in the local cache (its weights are "
            f"another matter), and there is no way to the hub ({failure}): on a machine with network run "
            f'python -c "import open_clip; {self.bring}" and copy that machine\'s cache folder '
            f"({_hub.cache_root(None)}) here"
        )


def tokenizer(model: str, cache_dir: str | None = None) -> Callable[[Sequence[str]], Tensor]:
    """Make the tokenizer of an architecture, a ``hf-hub:`` repository or a ``local-dir:`` folder.

    Raises:
        MissingCompanionError: It comes from the hub and is not in the local cache.
        WeightsError: A model folder does not hold it.
    """
    import open_clip

    try:
        return open_clip.get_tokenizer(model, cache_dir=cache_dir)
    except (OSError, ValueError) as error:
        repo = _named(model, "hf_tokenizer_name")
        if repo and model.startswith("local-dir:"):
            raise WeightsError(
                f"{Path(model.partition(':')[2])} holds no tokenizer: copy the files tokenizer*.json of {repo} into it"
            ) from error
        if isinstance(error, ValueError):
            raise
        raise MissingCompanionError("the tokenizer", repo, f"open_clip.get_tokenizer('{model}')") from error


def missing_text_settings(model: str) -> MissingCompanionError | None:
    """Give what a text tower of transformers needs besides its weights; None where open_clip's own tower is used."""
    if not (repo := _named(model, "hf_model_name")):
        return None
    bring = f"open_clip.create_model('{model}', pretrained_text=False); open_clip.get_tokenizer('{model}')"
    return MissingCompanionError("the text tower's settings", repo, bring)


def _named(model: str, key: str) -> str:
    import open_clip

    config = open_clip.get_model_config(model) or {}
    return str(config.get("text_cfg", {}).get(key) or "")
