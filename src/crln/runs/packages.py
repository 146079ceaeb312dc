"""Which packages besides crln a run needs: told by name and version, never imported by a path."""

from pathlib import Path

from pydantic import BaseModel

from crln.errors import CrlnError
from crln.planning import Plan
from crln.registry import METHODS, NETWORKS, REGISTRIES, VIEWS


class Needed(BaseModel):
    """What a package brought to a run.

    Attributes:
        kind: method, network or set of views.
        name: as the plan and the facts call it.
        package: that was installed; `version`: of it.
    """

    kind: str
    name: str
    package: str
    version: str


def needed(method: str, plan: Plan) -> tuple[Needed, ...]:
    """What other packages bring to a training by `method` and `plan`."""
    chosen = ((METHODS, method), (NETWORKS, plan.network.kind), (VIEWS, plan.views.kind))
    found = []
    for registry, name in chosen:
        if package := registry.package(name):
            title, version = package
            found.append(Needed(kind=registry.noun, name=name, package=title, version=version))
    return tuple(found)


def check_installed(run: Path, packages: tuple[Needed, ...]) -> None:
    """Refuses a run whose packages are not here.

    Raises:
        CrlnError: one is missing, or its name is another package's here.
    """
    for each in packages:
        what = f"{run}: needs the {each.kind} {each.name!r} of {each.package} {each.version}"
        registry = REGISTRIES.get(each.kind)
        here = registry.package(each.name) if registry else None
        if here is None:
            raise CrlnError(
                f"{what}, which is not installed; pip install {each.package}=={each.version}"
            )
        if here[0] != each.package:
            raise CrlnError(f"{what}; here that name is of {here[0]} {here[1]}: uninstall this one")
