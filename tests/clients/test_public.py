"""What is public, that both clients have it, and that the answers are those of the contract."""

from __future__ import annotations

import inspect
import pkgutil
from io import StringIO
from typing import Any

import pytest
import worldpool
from rich.console import Console
from worldpool import models, summary

from service.api import schemas

CONTRACT = {
    "Environment": models.Environment,
    "EnvironmentDetail": models.EnvironmentDetail,
    "FamilyOut": models.Family,
    "ModifierOut": models.Modifier,
    "CatalogueCounts": models.Catalogue,
    "Facets": models.Facets,
    "Subset": models.Subset,
    "Table": models.Table,
    "TableDetail": models.TableDetail,
    "Coverage": models.Coverage,
    "Covered": models.Covered,
    "Run": models.RunInfo,
    "Group": models.Group,
    "Consumer": models.Consumer,
    "SpecSummary": summary.SpecSummary,
    "Summary": summary.Summary,
    "Me": models.Me,
    "SmallPool": models.SmallPool,
    "Debt": models.Debt,
    "Explanation": models.Explanation,
    "Cell": models.Cell,
    "QueueEntry": models.QueueEntry,
    "Share": models.Share,
    "Webhook": models.Webhook,
    "WebhookWithSecret": models.WebhookWithSecret,
    "Delivery": models.Delivery,
    "Key": models.Key,
    "KeyWithSecret": models.KeyWithSecret,
    "Quota": models.Quota,
    "Commitment": models.Commitment,
    "CapacityEpoch": models.CapacityEpoch,
    "Site": models.Site,
    "Worker": models.Worker,
    "AuditEntry": models.AuditEntry,
    "Effective": models.Effective,
    "Provenance": models.Provenance,
    "WhatIf": models.WhatIf,
    "EditLine": models.EditLine,
    "EffectiveDifference": models.EffectiveDifference,
    "WaitDifference": models.WaitDifference,
    "Drained": models.Drained,
    "Changed": models.Changed,
    "Scheduled": models.Scheduled,
    "Loans": models.Loans,
    "Borrower": models.Borrower,
    "Lender": models.Lender,
    "WindowUse": models.WindowUse,
    "Usage": models.Usage,
    "StatementWindow": models.StatementWindow,
    "Statement": models.Statement,
    "CellStatement": models.CellStatement,
    "Overage": models.Overage,
}


def test_public_names_are_these() -> None:
    assert worldpool.__all__ == sorted(worldpool.__all__)
    assert set(worldpool.__all__) == {
        *("connect", "aconnect", "Client", "AsyncClient", "__version__"),
        *("Catalogue", "Environment", "EnvironmentDetail", "Facets", "Family", "Me", "Modifier", "RunInfo", "Split"),
        *("Group", "Policy", "Subset", "Summary", "Report", "Table"),
        *("Run", "AsyncRun", "Stream", "AsyncStream", "Pager", "AsyncPager"),
        *("Chunk", "Batch", "Episode", "Episodes"),
        *("Export", "ExportTable", "ExportError"),
        *("Transitions", "Windows", "PolicyClock"),
        *("WorldpoolError", "ConfigurationError", "PoolNotFound", "ConnectionFailed", "FormatError"),
        *("NotRecorded", "RunFailed", "WaitTimeout", "ConsumerReplaced", "Gone"),
        *("ProblemError", "Unauthorized", "Forbidden", "NotFound", "Conflict", "Invalid", "RateLimited", "ServerError"),
    }
    assert all(hasattr(worldpool, name) for name in worldpool.__all__)


def test_modules_are_private_but_for_those_that_define_public_types() -> None:
    modules = {module.name for module in pkgutil.iter_modules(worldpool.__path__) if not module.name.startswith("_")}
    assert modules == {"batches", "chunks", "cli", "episodes", "errors", "models", "summary", "windows"}


@pytest.mark.parametrize("name", [name for name in worldpool.__all__ if name != "__version__"])
def test_everything_public_has_a_docstring(name: str) -> None:
    assert inspect.getdoc(getattr(worldpool, name))


@pytest.mark.parametrize("name", CONTRACT)
def test_answers_have_the_fields_of_the_contract(name: str) -> None:
    assert set(CONTRACT[name].model_fields) == set(getattr(schemas, name).model_fields)


def surface(of: Any, path: str = "") -> dict[str, list[str]]:
    """Parameters by dotted path, over all nouns."""
    found: dict[str, list[str]] = {}
    for name in dir(of):
        if name.startswith("_"):
            continue
        value = getattr(of, name)
        if callable(value):
            found[path + name.removeprefix("a") if name == "aclose" else path + name] = list(
                inspect.signature(value).parameters
            )
        elif "_resources" in type(value).__module__:
            found |= surface(value, f"{path}{name}.")
    return found


def test_both_clients_offer_the_same_calls_with_the_same_parameters() -> None:
    client = surface(worldpool.Client(url="http://pool", api_key="k"))
    assert client == surface(worldpool.AsyncClient(url="http://pool", api_key="k"))
    assert {"environments.search", "runs.wait", "admin.quotas.update", "me"} <= set(client)
    assert "steps_per_env" in client["runs.create"]


@pytest.mark.parametrize(("sync", "asynchronous"), [(worldpool.Run, worldpool.AsyncRun)])
def test_both_runs_offer_the_same(sync: type, asynchronous: type) -> None:
    own = {name for name in vars(sync) if not name.startswith("_") and callable(getattr(sync, name))}
    assert own >= {
        "stream",
        "groups",
        "export",
        "wait",
        "watch",
        "cancel",
        "delete",
        "refresh",
        "summary",
        "scores",
        "report",
    }
    assert all(
        inspect.signature(getattr(sync, name)).parameters == inspect.signature(getattr(asynchronous, name)).parameters
        for name in own
        if name != "model_post_init"
    )


def test_methods_tell_their_parameters_and_words() -> None:
    with worldpool.Client(url="http://pool", api_key="k") as pool:
        assert "Choose specs" in (inspect.getdoc(pool.subsets.create) or "")
        assert inspect.signature(pool.subsets.create).return_annotation == "Subset"
        assert inspect.signature(pool.environments.search).return_annotation == "Pager[models.Environment]"
        with pytest.raises(TypeError):
            pool.subsets.create({"domain": "physics"})  # type: ignore[misc]


def specs() -> summary.Summary:
    def spec(ref: str, domain: str, episodes: int, mean: float | None) -> summary.SpecSummary:
        bounds = (None, None) if mean is None else (mean - 1, mean + 1)
        return summary.SpecSummary(
            ref=ref,
            digest="0" * 64,
            domain=domain,
            family=ref.partition("@")[0],
            episodes=episodes,
            steps=10 * episodes,
            returns=episodes,
            return_mean=mean,
            return_min=bounds[0],
            return_max=bounds[1],
            wall_ms=float(episodes),
        )

    return summary.Summary(
        specs=[
            spec("a/x@1", "physics", 1, 4.0),
            spec("a/x@1;g=<2>", "physics", 3, 8.0),
            spec("b/y@1", "social", 0, None),
        ]
    )


def test_a_summary_groups_by_family_and_domain_weighing_each_return_alike() -> None:
    figures = specs()
    assert figures.by_spec["a/x@1"].return_mean == 4.0
    assert figures.by_family["a/x"].return_mean == 7.0
    assert (figures.by_domain["physics"].return_min, figures.by_domain["physics"].return_max) == (3.0, 9.0)
    assert figures.by_domain["physics"].length_mean == 10.0
    assert figures.by_domain["physics"].steps_per_s == 10_000
    assert (figures.by_domain["social"].return_mean, figures.by_domain["social"].length_mean) == (None, None)
    assert figures.total.episodes == 4


def test_a_summary_reads_well_as_text_and_html() -> None:
    text = str(specs())
    assert "a/x@1;g=<2>" in text
    assert "means over episodes" in text
    assert "8.00" in text
    assert "<td>a/x@1;g=&lt;2&gt;</td>" in specs()._repr_html_()


def test_a_summary_keeps_refs_whole_however_narrow_the_console_is() -> None:
    ref = "a/x@1;" + ";".join(f"parameter_{n}={n}" for n in range(20))
    figures = specs().model_copy(update={"specs": [specs().specs[0].model_copy(update={"ref": ref})]})
    console = Console(file=StringIO(), width=80, soft_wrap=True)
    with console.capture() as printed:
        console.print(figures)
    for text in (printed.get(), str(figures)):
        (line,) = [line for line in text.splitlines() if "parameter" in line]
        assert line.split() == [ref, "1", "10", "10", "4.00", "10,000"]
