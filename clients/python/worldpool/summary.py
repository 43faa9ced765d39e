"""What a run's episodes returned and how long they were, by environment, family and domain, and by kind of holdout."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property
from html import escape
from io import StringIO

from rich.box import SIMPLE_HEAD
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table

from worldpool.models import Model

_WIDEST = 100_000
"""Characters of a line: more than any ref."""
_HEADERS = ("environment", "domain", "episodes", "steps", "length", "return", "steps/s")


class Group(Model):
    """Figures of a set of episodes.

    Returns are counted per (episode, agent). `steps` are environment steps, `wall_ms` is the time that simulating took.
    The return figures are None where no episode ended.
    """

    episodes: int
    steps: int
    returns: int
    return_mean: float | None
    return_min: float | None
    return_max: float | None
    wall_ms: float

    @property
    def length_mean(self) -> float | None:
        """Mean steps of an episode."""
        return self.steps / self.episodes if self.episodes else None

    @property
    def steps_per_s(self) -> float | None:
        """Steps per second of simulation on one slot."""
        return self.steps / self.wall_ms * 1000 if self.wall_ms else None


class SpecSummary(Group):
    """Figures of one environment."""

    ref: str
    digest: str
    domain: str
    family: str


class _WholeTable(Table):
    """A table that is as wide as what is in it: half a ref would be another one."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        return super().__rich_console__(console, options.update(width=_WIDEST))


class Summary(Model):
    """Figures of a run. Prints as a table, in terminals and notebooks.

    Means over a family or domain weigh every return alike; returns of different environments have different scales.
    """

    specs: list[SpecSummary]

    @cached_property
    def by_spec(self) -> dict[str, SpecSummary]:
        """Figures by ref."""
        return {spec.ref: spec for spec in self.specs}

    @cached_property
    def by_family(self) -> dict[str, Group]:
        """Figures by family."""
        return _merge_by(self.specs, lambda spec: spec.family)

    @cached_property
    def by_domain(self) -> dict[str, Group]:
        """Figures by domain."""
        return _merge_by(self.specs, lambda spec: spec.domain)

    @property
    def total(self) -> Group:
        """Figures of all episodes together."""
        return _merge(self.specs)

    def table(self) -> Table:
        """The figures as a rich table: an environment a line, by domain, and a line in all.

        Lines are as long as they must be. Consoles cut what does not fit, unless they print with `soft_wrap=True`.
        """
        table = _WholeTable(_HEADERS[0], show_footer=len(self.specs) > 1, box=SIMPLE_HEAD, pad_edge=False)
        table.caption = "length and return are means over episodes"
        table.columns[0].footer = f"{len(self.specs):,} environments"
        for header, footer in zip(_HEADERS[2:], _figures(self.total), strict=True):
            table.add_column(header, footer if header in ("episodes", "steps") else "", justify="right")
        domain = None
        for ref, of, *figures in self._rows():
            if of != domain:
                domain = of
                table.add_section()
                table.add_row(f"[bold]{domain}[/bold]")
            table.add_row(ref, *figures)
        return table

    def __rich__(self) -> Table:
        return self.table()

    def __str__(self) -> str:
        return _text(self.table())

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{header}</th>" for header in _HEADERS)
        body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in self._rows())
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"

    def _rows(self) -> Iterable[tuple[str, ...]]:
        specs = sorted(self.specs, key=lambda spec: (spec.domain, spec.ref))
        return ((spec.ref, spec.domain, *_figures(spec)) for spec in specs)


def _text(table: Table) -> str:
    console = Console(file=StringIO(), width=_WIDEST, color_system=None)
    with console.capture() as capture:
        console.print(table)
    return capture.get()


def _merge_by(specs: Iterable[SpecSummary], key: Callable[[SpecSummary], str]) -> dict[str, Group]:
    members: dict[str, list[SpecSummary]] = {}
    for spec in specs:
        members.setdefault(key(spec), []).append(spec)
    return {name: _merge(members[name]) for name in sorted(members)}


def _figures(group: Group) -> tuple[str, ...]:
    return (
        f"{group.episodes:,}",
        f"{group.steps:,}",
        _number(group.length_mean, ",.0f"),
        _number(group.return_mean, ",.2f"),
        _number(group.steps_per_s, ",.0f"),
    )


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def _merge(groups: Iterable[Group]) -> Group:
    groups = list(groups)
    paid = [group for group in groups if group.returns]
    returns = sum(group.returns for group in paid)
    return Group(
        episodes=sum(group.episodes for group in groups),
        steps=sum(group.steps for group in groups),
        returns=returns,
        return_mean=sum((g.return_mean or 0.0) * g.returns for g in paid) / returns if returns else None,
        return_min=min((g.return_min for g in paid if g.return_min is not None), default=None),
        return_max=max((g.return_max for g in paid if g.return_max is not None), default=None),
        wall_ms=sum(group.wall_ms for group in groups),
    )


class Interval(Model):
    """A 95 % bootstrap interval over environments."""

    low: float
    high: float


class Statistics(Model):
    """Scores of environments, each of which weighs alike: mean and interquartile mean, with intervals."""

    scored: int
    mean: float | None
    mean_interval: Interval | None
    iqm: float | None
    iqm_interval: Interval | None


class ReportLine(Statistics):
    """Results in one group of environments. A score is (return - random) / |random|, with random play's return;
    `reference` has those of (return - random) / (reference - random), where there is a reference return."""

    group: dict[str, str]
    specs: int
    episodes: int
    reference: Statistics


class Report(Model):
    """Results in groups. Kinds of holdout stand mildest first: what was trained on is no prediction, and interpolation
    hardly one.

    Prints as a table, in terminals and notebooks.
    """

    run: str
    split: str | None
    by: list[str]
    lines: list[ReportLine]

    @cached_property
    def by_kind(self) -> dict[str, ReportLine]:
        """Results by kind, where kinds alone were told apart."""
        return {line.group["kind"]: line for line in self.lines} if self.by == ["kind"] else {}

    def table(self) -> Table:
        """The results as a rich table, a group a line."""
        table = _WholeTable(box=SIMPLE_HEAD, pad_edge=False)
        under = f" by {self.split}" if self.split else ""
        table.caption = f"{self.run}{under}; score = (return - random) / |random|, 95 % over environments"
        for header in (*self.by, "environments", "episodes", "scored", "mean", "", "IQM", ""):
            table.add_column(header, justify="left" if header in (*self.by, "") else "right")
        for line in self.lines:
            names = [_short(line.group[key]) for key in self.by]
            figures = (f"{line.specs:,}", f"{line.episodes:,}", f"{line.scored:,}")
            mean = _number(line.mean, ",.3f"), _span(line.mean_interval)
            table.add_row(*names, *figures, *mean, _number(line.iqm, ",.3f"), _span(line.iqm_interval))
        return table

    def __rich__(self) -> Table:
        return self.table()

    def __str__(self) -> str:
        return _text(self.table())


def _short(name: str) -> str:
    """The digest of a policy by its beginning."""
    return name[:12] if len(name) == 64 else name


def _span(interval: Interval | None) -> str:
    return "" if interval is None else f"{interval.low:,.3f} to {interval.high:,.3f}"
