"""What can be chosen by name: ours, and what installed packages add by entry points.

A package adds a method, a network or a set of views by an entry point in its own metadata:

    [project.entry-points."crln.methods"]
    mine = "my_package:Mine"

A plan or a run folder holds the name alone. What is imported is what is installed under that name,
so no file that somebody sends can choose a module.
"""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from crln.errors import CrlnError

OURS = "crln"
"""Our own distribution, whose entry points are listed here as well."""


class Registry(Mapping[str, Any]):
    """Name -> what is installed under it; nothing is imported before it is asked for.

    Args:
        group: of entry points.
        noun: for messages.
        ours: name -> "module:object".
    """

    def __init__(self, group: str, noun: str, ours: dict[str, str]) -> None:
        self.group, self.noun, self.ours = group, noun, ours

    def __iter__(self) -> Iterator[str]:
        return iter(sorted({*self.ours, *(point.name for point in _foreign(self.group))}))

    def __len__(self) -> int:
        return len(list(iter(self)))

    def __contains__(self, name: object) -> bool:
        return name in self.ours or any(point.name == name for point in _foreign(self.group))

    def __getitem__(self, name: str) -> Any:
        """What has that name.

        Raises:
            CrlnError: there is none, several packages claim the name, or it cannot be imported.
        """
        points = self._points(name)
        if name in self.ours:
            module, attribute = self.ours[name].split(":")
            return getattr(import_module(module), attribute)
        if not points:
            raise CrlnError(f"no {self.noun} {name!r}; choose one of {', '.join(self)}")
        try:
            return points[0].load()
        except (ImportError, AttributeError) as error:
            raise CrlnError(
                f"{self.noun} {name!r} of {_package(points[0])} cannot be imported "
                f"({str(error).splitlines()[0]}); install that package again"
            ) from error

    def _points(self, name: str) -> list[EntryPoint]:
        """The entry points of a name; CrlnError where it is not clear who is meant."""
        points = [point for point in _foreign(self.group) if point.name == name]
        packages = " and ".join(dict.fromkeys(map(_package, points)))
        if points and name in self.ours:
            raise CrlnError(
                f"{packages} brings a {self.noun} {name!r}, a name of crln's own; "
                "uninstall it, or ask its makers for another name"
            )
        if len({point.value for point in points}) > 1:
            raise CrlnError(f"{self.noun} {name!r} comes from {packages}; uninstall one of them")
        return points

    def package(self, name: str) -> tuple[str, str] | None:
        """Name and version of the package that brings a name; None for ours and for unknown ones.

        Raises:
            CrlnError: it is not clear whose name it is.
        """
        points = self._points(name)
        dist = points[0].dist if points else None
        return (dist.name, dist.version) if dist else None


def _package(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist else "an unnamed package"


@lru_cache(maxsize=8)
def _foreign(group: str) -> tuple[EntryPoint, ...]:
    """The entry points of other distributions."""
    found = entry_points(group=group)
    return tuple(point for point in found if point.dist is None or point.dist.name != OURS)


METHODS = Registry(
    "crln.methods",
    "method",
    {
        "ad_mt": "crln.methods.ad_mt:AlternateTeaching",
        "bcp": "crln.methods.bcp:BidirectionalCopyPaste",
        "cross_pseudo": "crln.methods.cross_pseudo:CrossPseudo",
        "crln": "crln.methods.crln.method:CRLN",
        "crossmatch": "crln.methods.crossmatch:CrossMatch",
        "diffrect": "crln.methods.diffrect.method:DiffRect",
        "llm_segnet": "crln.methods.llm_segnet.method:LLMSegNet",
        "mcnet": "crln.methods.mcnet:MCNet",
        "mean_teacher": "crln.methods.mean_teacher:MeanTeacher",
        "sdcl": "crln.methods.sdcl:DiscrepancyCorrection",
        "ssl_contrastive": "crln.methods.ssl_contrastive:VerifiedContrast",
        "supervised": "crln.methods.supervised:Supervised",
        "tracoco": "crln.methods.tracoco:TraCoCo",
    },
)

NETWORKS = Registry(
    "crln.networks",
    "network",
    {
        "resenc": "crln.networks.resenc:ResEncVNet",
        "unet": "crln.networks.unet:from_plan",
        "vnet": "crln.networks.vnet:from_plan",
    },
)

VIEWS = Registry(
    "crln.views",
    "set of views",
    {
        "paper": "crln.augmentation.paper:PaperViews",
        "rich": "crln.augmentation.rich:RichViews",
    },
)

REGISTRIES = {registry.noun: registry for registry in (METHODS, NETWORKS, VIEWS)}
"""By what they hold: method, network, set of views."""
