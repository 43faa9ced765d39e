"""Changes of quotas on a real database: the document, moves and their counters, and that what-if is what happens."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from service import capacity, changes, counters, departures, fleet, sites, what_if
from service.api import schemas
from service.edited_tree import Edit
from service.embedded.postgres import EmbeddedPostgres
from service.errors import Conflict, Invalid, PreconditionFailed, Problem
from service.models import Base, Duty, Lease, LeaseState, QuotaNode
from service.scheduler.entitlement import SLOT_MC
from tests.conftest import create_database
from tests.service.quota_ground import OPERATOR, Ground, opened

FULL = {
    "commitment": {
        "numerator": 25,
        "denominator": 100,
        "half_life_s": 600,
        "cooldown_s": 5,
        "min_slots": 2,
        "min_slots_until": "2026-06-01T00:00:00Z",
        "shares_visible": "groups",
        "window": "week",
        "window_budget_core_ms": 10**13,
        "state": "hold",
    },
    "groups": {
        "guests": {"weight": 2, "reclaim_first": True, "lending_limit_mc": 0, "cells": {"red": {"max_loan_ms": 5000}}},
        "axis": {
            "state": "hold_and_drain",
            "groups": {"labs": {"cells": {"1e3": {"weight": 7}}}},
            "cells": {"blue": {"borrowing_limit_mc": 0, "window_budget_core_ms": 10**12}},
        },
        "empty": {},
    },
    "cells": {"alone": {}},
}


@pytest.fixture
def ground(database_url: str) -> Iterator[Ground]:
    with opened(database_url) as found:
        yield found


async def dump(session: AsyncSession) -> dict[str, str | None]:
    """By table, a digest of all its rows."""
    digests = (
        f"SELECT '{table.name}', md5(string_agg(CAST(t AS text), '\n' ORDER BY CAST(t AS text))) FROM {table.name} t"
        for table in Base.metadata.sorted_tables
    )
    return dict((await session.execute(text(" UNION ALL ".join(digests)))).all())


# --- the document


def test_export_apply_to_an_empty_installation_and_export_again_is_the_same(
    ground: Ground, postgres: EmbeddedPostgres, migrated: str
) -> None:
    ground.become(FULL)
    document = ground.exported()
    assert document == FULL
    with opened(postgres.url_of(create_database(postgres, migrated))) as other:
        assert other.exported() != document
        other.become(document)
        assert other.exported() == document
        assert other.become(document) == []


def test_a_document_makes_moves_sets_and_deletes_in_one_go_and_each_is_in_the_audit(ground: Ground) -> None:
    ground.become(FULL)
    document = ground.exported()
    moved = document["groups"].pop("axis")
    moved["groups"]["labs"]["cells"]["blue"] = moved["cells"].pop("blue")
    document["groups"]["labs"] = moved["groups"].pop("labs") | {"groups": {"axis": moved | {"weight": 5}}}
    del moved["groups"], moved["cells"], document["groups"]["empty"], document["cells"]
    document["groups"]["labs"]["groups"]["axis"] = {"weight": 5, "state": "hold_and_drain"}
    document["cells"] = {"new": {"weight": 3}}
    ground.become(document)
    assert ground.exported() == document
    axis = [("quota.create", {"name": [None, "axis"], "parent": [None, "commitment"], "weight": [None, 1]})]
    axis[0][1]["state"] = [None, "hold_and_drain"]
    assert ground.audited("axis") == [*axis, ("quota.edit", {"weight": [1, 5], "parent": ["commitment", "labs"]})]
    assert ground.audited("new")[0][0] == "cell.create"
    assert (
        sum(ground.node(name).nominal_mc for name in ("labs", "guests", "new")) == ground.node("commitment").nominal_mc
    )


def test_a_cell_moves_into_a_group_that_the_same_document_makes(ground: Ground) -> None:
    ground.cell("red")
    document = {"commitment": ground.exported()["commitment"], "groups": {"axis": {"cells": {"red": {}}}}}
    ground.become(document)
    assert ground.exported() == document


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"groups": {"a": {"cells": {"x": {}}}, "b": {"cells": {"x": {}}}}}, "body.document.groups.b.cells.x"),
        ({"groups": {"a": {"groups": {"b": {}}}, "b": {}}}, "body.document.groups.b"),
        ({"groups": {"commitment": {}}}, "body.document.groups.commitment"),
        ({"groups": {"quota_1": {}}}, "body.document.groups.quota_1"),
        ({"commitment": {"numerator": 3, "denominator": 2, "half_life_s": 1}}, "body.document.commitment.numerator"),
    ],
)
def test_a_document_that_makes_no_sense_is_refused_where_it_does_not(
    ground: Ground, change: dict[str, Any], field: str
) -> None:
    with pytest.raises(Invalid) as refused:
        ground.become(ground.exported() | change)
    assert [name for name, _ in refused.value.errors] == [field]


def test_groups_are_not_nested_without_end(ground: Ground) -> None:
    deep: dict[str, Any] = {}
    for level in range(17):
        deep = {"groups": {f"g{level}": deep}}
    with pytest.raises(Invalid, match="too deeply"):
        ground.become(ground.exported() | deep)
    ground.become(ground.exported() | deep["groups"]["g16"])
    ground.become(ground.exported() | {"groups": {**ground.exported()["groups"], "top": {"groups": {"mid": {}}}}})
    with pytest.raises(Invalid, match="too deeply"):
        ground.apply(ground.edit("g15", parent="mid"))


def test_what_had_work_stays_and_nothing_else_of_the_document_is_done(ground: Ground) -> None:
    ground.cell("worked")
    ground.cell("idle")
    ground.submit("worked", 1)
    before = ground.do(dump)
    with pytest.raises(Conflict, match=r"worked stays.*run"):
        ground.become(ground.exported() | {"cells": {"new": {}}})
    assert ground.do(dump) == before
    ground.become(ground.exported() | {"cells": {"worked": {}}})
    assert set(ground.exported()["cells"]) == {"worked"}
    with pytest.raises(StopIteration):
        ground.node("idle")


# --- moves


def test_a_cell_that_moves_takes_its_counters_along(ground: Ground) -> None:
    ground.join(ground.site(), 4)
    ground.cell("red")
    ground.cell("blue")
    ground.become(ground.exported() | {"groups": {"a": {}, "b": {"groups": {"c": {}}}}})
    ground.apply(ground.edit("red", parent="a"))
    ground.submit("red", 3)
    assert ground.grant() == 3
    ground.pass_time(1)
    ground.release(ground.live()[0])
    used = {name: (ground.node(name).used_mc, ground.node(name).used_core_ms) for name in ("a", "b", "c", "red")}
    assert used == {"a": (2000, 1000), "b": (0, 0), "c": (0, 0), "red": (2000, 1000)}
    ground.apply(ground.edit("red", parent="c"))
    assert [ground.node(name).reserved_core_ms for name in ("a", "b", "red")] == [0, 4000, 4000]
    assert [ground.settled(name) for name in ("a", "b", "c", "red")] == [1000, 0, 0, 1000], "a's budget paid for it"
    used = {name: (ground.node(name).used_mc, ground.node(name).used_core_ms) for name in ("a", "b", "c", "red")}
    assert used == {"a": (0, 0), "b": (2000, 1000), "c": (2000, 1000), "red": (2000, 1000)}
    for name in ("b", "c"):
        assert ground.node(name).decayed_core_ms == pytest.approx(ground.node("red").decayed_core_ms)
    assert ground.node("a").decayed_core_ms == pytest.approx(0, abs=1e-6)
    assert ground.node("commitment").used_mc == 2000
    ground.pass_time(1)
    for lease in ground.live():
        ground.release(lease)
    assert [ground.settled(name) for name in ("a", "b", "c", "red")] == [1000, 4000, 4000, 5000]
    assert {node for node in ("a", "b", "c", "red", "commitment") if ground.node(node).used_mc} == set()


def test_a_cell_in_the_statement_of_a_window_that_is_over_is_not_deleted(ground: Ground) -> None:
    ground.join(ground.site(), 4)
    document = ground.exported()
    for cell in ("early", "late"):
        ground.cell(cell)
    ground.submit("early", 1)
    ground.grant()
    with pytest.raises(Conflict, match="early stays"):
        ground.become(document)
    ground.become(document | {"cells": {"early": {}}})
    ground.cell("late")
    ground.pass_time(86_400)
    with pytest.raises(Conflict, match=r"late stays.*\(statement\)"):
        ground.become(document | {"cells": {"early": {}}})


def test_nothing_moves_where_a_counter_differs_from_its_leases(ground: Ground) -> None:
    ground.join(ground.site(), 4)
    ground.cell("red")
    ground.become(ground.exported() | {"groups": {"a": {}}})
    ground.apply(ground.edit("red", parent="a"))
    ground.submit("red", 1)
    ground.grant()
    wrong = "UPDATE quota_node SET used_mc = 0 WHERE name = 'a'"
    ground.do(lambda session: session.execute(text(wrong)))
    with pytest.raises(Conflict, match="the counter of a differs"):
        ground.apply(ground.edit("red", parent="commitment"))
    ground.do(counters.check)
    with pytest.raises(Conflict, match="the counter of a differs"):
        ground.apply(ground.edit("red", parent="commitment"))
    ground.do(counters.thaw, ground.id("a"))
    ground.apply(ground.edit("red", parent="commitment"))
    assert ground.node("a").used_mc == 0


def test_nothing_is_below_itself_or_below_a_cell(ground: Ground) -> None:
    ground.cell("red")
    ground.become(ground.exported() | {"groups": {"a": {"groups": {"b": {}}}}})
    for name, parent, reason in (
        ("a", "b", "below itself"),
        ("a", "a", "below itself"),
        ("b", "nowhere", "no group nowhere"),
        ("b", ground.id("red"), "below a cell"),
        ("b", "quota_x", "no quota"),
    ):
        with pytest.raises(Invalid, match=reason):
            ground.apply(ground.edit(name, parent=parent))
    ground.apply(ground.edit("b", parent=ground.id("commitment")))
    assert set(ground.exported()["groups"]) == {"a", "b"}


# --- what-if


def some_change(ground: Ground, draw: random.Random) -> schemas.WhatIfAsk:
    """Anything an operator may do; some of it is refused."""
    asked = some_edit(ground, draw)
    drain = draw.choice([{"workers": ["w"]}, {"workers": ["v"]}, {"sites": ["here"]}, None, None, None, None])
    if drain is not None and draw.random() < 0.3:
        drain["departs_at"] = ground.now + timedelta(seconds=3)
    return schemas.WhatIfAsk.model_validate(asked.model_dump(exclude_unset=True) | {"drain": drain})


def some_edit(ground: Ground, draw: random.Random) -> schemas.QuotaChange:
    names = [node for node in names_of(ground) if node != "commitment"]
    groups = [name for kind, name in kinds_of(ground) if kind == "group"]
    limits = [None, 0, 1000, 2000]
    match draw.choice(["edit", "edit", "edit", "move", "hold", "commitment", "both", "document", "document"]):
        case "edit":
            wanted = {"weight": draw.randint(1, 9), "borrowing_limit_mc": draw.choice(limits)}
            wanted |= {"lending_limit_mc": draw.choice(limits), "max_loan_ms": draw.choice([None, 5, 10_000])}
            wanted |= {"reclaim_first": draw.random() < 0.5, "window_budget_core_ms": draw.choice([None, 9000, 10**6])}
            fields = draw.sample(sorted(wanted), draw.randint(1, 3))
            return ground.edit(draw.choice(names), **{field: wanted[field] for field in fields})
        case "move":
            return ground.edit(draw.choice(names), parent=draw.choice(["commitment", *groups]))
        case "hold":
            state = draw.choice(["active", "active", "hold", "hold_and_drain"])
            return ground.edit(draw.choice([*names, "commitment"]), state=state)
        case "commitment":
            until = ground.now + timedelta(seconds=draw.randint(-2, 60))
            exception = {"min_slots": draw.randint(1, 4), "min_slots_until": until}
            wanted = {
                "numerator": draw.randint(5, 60),
                "cooldown_s": draw.choice([0, 20]),
                **draw.choice([exception, {}]),
            }
            return schemas.QuotaChange.model_validate({"commitment": wanted})
        case "both":
            edit = {"quota": ground.id(draw.choice(names)), "weight": draw.randint(1, 9)}
            return schemas.QuotaChange.model_validate({"quotas": [edit], "commitment": {"half_life_s": 100}})
    document = ground.exported()
    if draw.random() < 0.3 or not groups:
        document.setdefault("groups", {})[f"group-{draw.randint(0, 99)}"] = {"weight": draw.randint(1, 5)}
    elif draw.random() < 0.3:
        document["groups"].pop(draw.choice(sorted(document["groups"])))
    if draw.random() < 0.3:
        document.setdefault("cells", {})[f"cell-{draw.randint(0, 99)}"] = {"weight": draw.randint(1, 5)}
    document["commitment"]["numerator"] = draw.randint(10, 50)
    for cell in document.get("cells", {}).values():
        cell["weight"] = draw.randint(1, 9)
    return schemas.QuotaChange.model_validate({"document": document})


def kinds_of(ground: Ground) -> list[tuple[str, str]]:
    async def kinds(session: AsyncSession) -> list[tuple[str, str]]:
        rows = await session.execute(select(QuotaNode.kind, QuotaNode.name).order_by(QuotaNode.kind, QuotaNode.name))
        return [(row.kind, row.name) for row in rows]

    return ground.do(kinds)


def names_of(ground: Ground) -> list[str]:
    return [name for _, name in kinds_of(ground)]


def said(edits: list[Edit]) -> list[tuple[str, str, dict[str, Any]]]:
    return [(edit.action, edit.name, dict(edit.changed)) for edit in edits]


def test_what_if_changes_no_row_and_is_what_then_happens_on_200_random_changes(ground: Ground) -> None:
    draw = random.Random(5)
    site = ground.site()
    for name in ("v", "w"):
        ground.join(site, 3, name)
    for number in range(4):
        ground.cell(f"cell-{number}", weight=number + 1)
    ground.become(ground.exported() | {"groups": {"one": {}, "two": {"weight": 2}}})
    ground.apply(ground.edit("cell-2", parent="one"))
    told = refused = different = drained = 0
    while told < 200:
        let_some_time_pass(ground, draw)
        change = some_change(ground, draw)
        before, shown, after = ground.do(asked, change, now=ground.now)
        assert after == before
        if isinstance(shown, Problem):
            refused += 1
            with pytest.raises(type(shown)):
                ground.do(do, change, now=ground.now)
            continue
        edits = ground.do(do, change, now=ground.now)
        assert said(shown.edits) == said(edits)
        assert shown.after == ground.do(what_if.look, now=ground.now)
        told += 1
        different += shown.before != shown.after
        drained += change.drain is not None and shown.after.limit_mc < shown.before.limit_mc
        check_counters(ground)
        if change.drain is not None:
            ground.do(come_back, now=ground.now)
    assert refused
    assert different > 50
    assert drained > 10


async def asked(
    session: AsyncSession, change: schemas.WhatIfAsk, *, now: datetime
) -> tuple[dict[str, str | None], what_if.Rehearsal | Problem, dict[str, str | None]]:
    """What is there, what is said of a change, and what is there then."""
    before = await dump(session)
    attempt = await session.begin_nested()
    try:
        shown: what_if.Rehearsal | Problem = await what_if.rehearse(
            session, change, by="an operator", now=now, drain=change.drain
        )
        await attempt.commit()
    except Problem as problem:
        await attempt.rollback()
        shown = problem
    return before, shown, await dump(session)


async def do(session: AsyncSession, change: schemas.WhatIfAsk, *, now: datetime) -> list[Edit]:
    """As the routes do it, a drain by its own."""
    edits = await changes.apply(session, change, by="an operator", now=now)
    plan = change.drain
    for name in plan.sites if plan else ():
        site = await sites.find(session, name)
        await departures.ask_site(session, site, Duty.DRAINED, departs_at=plan.departs_at, now=now)
    for name in plan.workers if plan else ():
        worker = await fleet.find(session, name)
        await departures.ask_worker(session, worker, Duty.DRAINED, departs_at=plan.departs_at, now=now)
    return edits


async def come_back(session: AsyncSession, *, now: datetime) -> None:
    await departures.ask_site(session, await sites.find(session, "here"), Duty.ACTIVE, now=now)
    for worker in await fleet.live(session):
        await departures.ask_worker(session, worker, Duty.ACTIVE, now=now)


def test_slots_that_too_many_new_equals_share_go_to_those_that_what_if_said(ground: Ground) -> None:
    ground.join(ground.site(), 3)
    document = ground.exported() | {"cells": {f"cell-{number}": {} for number in range(7)}}
    change = schemas.QuotaChange.model_validate({"document": document})
    shown = ground.do(what_if.rehearse, change, by="an operator", now=ground.now)
    ground.apply(change)
    found = ground.do(what_if.look, now=ground.now)
    assert sorted(node.nominal_mc for (kind, _), node in found.nodes.items() if kind == "cell") == [0] * 4 + [1000] * 3
    assert shown.after == found


def let_some_time_pass(ground: Ground, draw: random.Random) -> None:
    for _ in range(draw.randint(0, 2)):
        cells = [name for kind, name in kinds_of(ground) if kind == "cell"]
        ground.submit(draw.choice(cells), draw.randint(1, 3))
    if draw.random() < 0.5:
        ground.grant()
    live = ground.live()
    for lease in draw.sample(live, draw.randint(0, len(live))):
        ground.release(lease)
    ground.pass_time(draw.choice([0, 1, 30]))
    ground.do(capacity.end_exception, now=ground.now)


def check_counters(ground: Ground) -> None:
    """4: used_x is what the live leases below x hold, and what is reserved are their estimates."""

    async def check(session: AsyncSession) -> None:
        nodes = {node.id: node for node in await session.scalars(select(QuotaNode))}
        held, reserved = dict.fromkeys(nodes, 0), dict.fromkeys(nodes, 0)
        for lease in await session.scalars(select(Lease).where(Lease.state != LeaseState.RELEASED)):
            for node in capacity.path(nodes[lease.node_id], nodes):
                held[node.id] += lease.mc
                reserved[node.id] += lease.estimate_ms * lease.mc // 1000
        assert held == {id: node.used_mc for id, node in nodes.items()}
        assert reserved == {id: node.reserved_core_ms for id, node in nodes.items()}
        paid = {
            id: sum(each.used_core_ms for each in nodes.values() if each.parent_id == id)
            for id in {node.parent_id for node in nodes.values() if node.parent_id}
        }
        assert paid == {id: nodes[id].used_core_ms for id in paid}
        root = next(node for node in nodes.values() if node.parent_id is None)
        assert root.nominal_mc % SLOT_MC == 0

    ground.do(check)


def test_a_token_binds_until_its_time_is_over(ground: Ground) -> None:
    ground.cell("red", weight=3)
    change = ground.edit("red", weight=1)
    token = ground.do(changes.token, change, expires=ground.now + changes.LIFE)
    ground.pass_time(changes.LIFE.total_seconds() + 1)
    with pytest.raises(PreconditionFailed, match="too old"):
        ground.do(changes.carry_out, OPERATOR, change, shown=token, now=ground.now)
    ground.pass_time(-1)
    ground.do(changes.carry_out, OPERATOR, change, shown=token, now=ground.now)
    assert ground.node("red").weight == 1


# --- the audit


@pytest.mark.parametrize("statement", ["UPDATE audit SET reason = 'another'", "DELETE FROM audit", "TRUNCATE audit"])
def test_nothing_in_the_audit_is_ever_changed(ground: Ground, statement: str) -> None:
    ground.become(FULL)
    with pytest.raises(DBAPIError, match="only ever added to"):
        ground.do(lambda session: session.execute(text(statement)))
