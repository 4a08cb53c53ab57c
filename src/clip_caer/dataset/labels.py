"""Label sets of two or more granularities, and the one that an experiment tells apart."""

from clip_caer.dataset.problems import Complain, unknown
from clip_caer.errors import UserError


def class_names(config: dict) -> list[str]:
    """Names of the classes told apart, in their fixed order; `config` is the `dataset` section."""
    return Labels(config).classes


class Labels:
    """The label sets of the `dataset` section, and which of them is used.

    The set `fine` is a list of names. Another set is a list, or a mapping of its labels to the fine labels they stand
    for. A sheet's column label holds fine labels, its column label_coarse those of the set `coarse`.
    Raises `UserError` where the sets do not fit together.
    """

    def __init__(self, config: dict):
        sets, self.used = config["label_sets"], config["labels"]
        if self.used not in sets:
            raise UserError(f"dataset.labels: {unknown('label set', self.used, list(sets))}.")
        self.fine, self.coarse, self.classes = (list(sets.get(name, [])) for name in ("fine", "coarse", self.used))
        self._coarse_of = _mapping("coarse", sets.get("coarse", []), self.fine)
        self._class_of = (
            {name: name for name in self.fine}
            if self.used == "fine"
            else _mapping(self.used, sets[self.used], self.fine)
        )

    def choose(self, fine: str, coarse: str, complain: Complain) -> str | None:
        """The class of a clip from its fine and its coarse label ("" where not given); None after a complaint."""
        implied = self._coarse_of.get(fine)
        if fine and fine not in self.fine:
            complain(unknown("label", fine, self.fine))
        elif coarse and coarse not in self.coarse:
            complain(unknown("coarse label", coarse, self.coarse))
        elif coarse and implied and coarse != implied:
            complain(f"the coarse label {coarse!r} contradicts the label {fine!r}, which belongs to {implied!r}")
        elif self.used == "coarse" and coarse:
            return coarse
        elif not fine:
            complain("the label is empty")
        elif fine not in self._class_of:
            complain(f"the label {fine!r} belongs to none of {', '.join(self.classes)} (label set {self.used!r})")
        else:
            return self._class_of[fine]
        return None

    def votes(self, text: str, complain: Complain) -> list[float] | None:
        """Votes for each class from counts separated by ';'; None after a complaint.

        The counts stand in the order of the label set used, or in that of the fine labels and are added up.
        """
        try:
            counts = [float(count) for count in text.split(";")]
        except ValueError:
            return complain(f"votes {text!r}: expected numbers separated by ';'")
        if not all(0 <= count < float("inf") for count in counts) or sum(counts) == 0:
            return complain(f"votes {text!r}: expected counts of zero or more, and at least one vote")
        if len(counts) == len(self.classes):
            return counts
        if self._class_of and len(counts) == len(self.fine):
            votes = dict.fromkeys(self.classes, 0.0)
            for fine, count in zip(self.fine, counts, strict=True):
                if fine in self._class_of:
                    votes[self._class_of[fine]] += count
            if not any(votes.values()):
                return complain(f"votes {text!r}: none is for a label of {', '.join(self.classes)}")
            return list(votes.values())
        return complain(f"votes {text!r}: expected {len(self.classes)} counts, for {', '.join(self.classes)}")


def _mapping(name: str, label_set: list | dict, fine: list[str]) -> dict[str, str]:
    """Fine label → label of this set; empty where the set is a mere list."""
    mapping: dict[str, str] = {}
    for label, members in label_set.items() if isinstance(label_set, dict) else ():
        for member in members:
            if member not in fine:
                raise UserError(f"dataset.label_sets.{name}.{label}: {unknown('fine label', member, fine)}.")
            if member in mapping:
                raise UserError(
                    f"dataset.label_sets.{name}: {member!r} belongs to both {mapping[member]!r} and {label!r}."
                )
            mapping[member] = label
    return mapping
