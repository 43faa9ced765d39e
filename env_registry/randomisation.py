"""Domain randomisation: parameters drawn anew at every reset.

Owns when values are drawn and that the simulator has them. The distributions themselves belong to `axes`, tables and
their rows to `tables`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from env_registry.axes import Axis, Distribution, DistributionKind, Scalar, Value, ValueProblem
from env_registry.family import Family
from env_registry.problems import UnknownName, WrongValue, unknown
from env_registry.seeding import EpisodeSeeds
from env_registry.simulator import StepBlock
from env_registry.tables import Table
from env_registry.wrapper import Wrapper


class Randomised(Wrapper):
    """A family's simulator whose distributions are drawn from the stream `randomisation`, sorted by name.

    The row of a table is drawn where the first parameter that names the table stands. Where the values differ from the
    last ones the simulator takes them in place, or is made again. Randomisable axes change neither spaces nor agents,
    so those are the same in every episode.
    """

    drawn: Mapping[str, Scalar] = {}

    def __init__(self, family: Family, values: Mapping[str, Value], tables: Iterable[Table] = ()) -> None:
        self._family = family
        self._fixed = {name: value for name, value in values.items() if not isinstance(value, Distribution)}
        self._distributions = distributions(family, values)
        self._tables = {table.digest: table for table in tables}
        self._columns = drawn_columns(family, values, self._tables)
        self._made_with = {axis.name: axis.default for axis in self._distributions}
        super().__init__(family.make(self._fixed | self._made_with))

    @property
    def step_block(self) -> StepBlock | None:  # type: ignore[override]  # what is drawn changes no step
        return self.inner.step_block

    def reset(self, seeds: EpisodeSeeds) -> Any:
        rng = seeds.generator("randomisation")
        rows: dict[str, int] = {}
        drawn: dict[str, Scalar] = {}
        for axis, distribution in self._distributions.items():
            if distribution.kind is DistributionKind.TABLE:
                digest = distribution.arguments[0]
                if digest not in rows:
                    rows[digest] = self._tables[digest].draw(rng)
                drawn[axis.name] = self._columns[axis.name][rows[digest]]
            else:
                drawn[axis.name] = axis.draw(distribution, rng)
        self._take(drawn)
        return self.inner.reset(seeds)

    def load(self, state: dict[str, Any]) -> None:
        self._take(dict(state["own"]["drawn"]))
        super().load(state)

    def own_state(self) -> dict[str, Any]:
        return {"drawn": dict(self.drawn)}

    def _take(self, drawn: dict[str, Scalar]) -> None:
        if drawn != self._made_with:
            values = self._fixed | drawn
            if not self._family.retune(self.inner, values):
                self.inner.close()
                self.inner = self._family.make(values)
            self._made_with = drawn
        self.drawn = drawn


def distributions(family: Family, values: Mapping[str, Value]) -> dict[Axis, Distribution]:
    """What is drawn, sorted by name."""
    return {
        axis: value
        for axis in sorted(family.axes, key=lambda axis: axis.name)
        if isinstance(value := values.get(axis.name), Distribution)
    }


def drawn_columns(
    family: Family, values: Mapping[str, Value], tables: Mapping[str, Table]
) -> dict[str, tuple[Scalar, ...]]:
    """For each parameter that is drawn from a table its column, in the axis' type; `tables` are by digest.

    Raises
    ------
    RefProblem
        A table is not given, has no such column, or a row of it does not fit the axis.
    """
    return {
        axis.name: _column(axis, *distribution.arguments, tables=tables)
        for axis, distribution in distributions(family, values).items()
        if distribution.kind is DistributionKind.TABLE
    }


def _column(axis: Axis, digest: str, name: str, *, tables: Mapping[str, Table]) -> tuple[Scalar, ...]:
    field = f"parameters.{axis.name}"
    table = tables.get(digest)
    if table is None:
        raise UnknownName(field, f"the table {digest} is not here; give it: make(spec, tables=[table])")
    if name not in table.columns:
        raise unknown(field, "column", name, table.columns)
    fitting: list[Scalar] = []
    for row, value in enumerate(table.columns[name]):
        try:
            fitting.append(axis.check(value))  # type: ignore[arg-type]  # a number is no distribution
        except ValueProblem as problem:
            raise WrongValue(field, f"row {row} of column {name!r} of table {digest}: {problem.reason}") from problem
    return tuple(fitting)
