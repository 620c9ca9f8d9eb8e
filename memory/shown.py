"""One case that was shown in a run."""

from typing import Any


class Shown(dict[str, Any]):
    """One slot of what was shown: plain data that a checkpoint or JSON can hold, read as attributes.

    `rank` counts from 0; `similarity` is the cosine of the two tasks; `q` and `q_std` are the expected
    reward and its uncertainty; `propensity` is the probability of this draw given the slots before it;
    `dissent` is how far cases on like tasks did otherwise (memory/dissent.py); `used` is whether the run
    used the case, None where that is not known.
    """

    def __init__(
        self,
        *,
        case_id: str,
        rank: int,
        similarity: float,
        q: float,
        q_std: float,
        propensity: float,
        dissent: float | None = 0.0,
        used: bool | None = None,
    ) -> None:
        super().__init__(
            case_id=case_id,
            rank=rank,
            similarity=similarity,
            q=q,
            q_std=q_std,
            propensity=propensity,
            dissent=dissent or 0.0,
            used=used,
        )

    case_id = property(lambda self: str(self["case_id"]))
    rank = property(lambda self: int(self["rank"]))
    similarity = property(lambda self: float(self["similarity"]))
    q = property(lambda self: float(self["q"]))
    q_std = property(lambda self: float(self["q_std"]))
    propensity = property(lambda self: float(self["propensity"]))
    dissent = property(lambda self: float(self["dissent"]))

    @property
    def used(self) -> bool | None:
        value = self["used"]
        return None if value is None else bool(value)

    def told(self, *, used: bool | None) -> "Shown":
        """The same slot, with what is now known of its use."""
        return Shown(**{**self, "used": used})
