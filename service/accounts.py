"""Accounts: what each node of the quota tree used of its budget in each window, and what it owes from those before.

What is left of a budget now is budget - debt - settled - reserved. Unused budget ends with its window; debt does not.
Everything here needs the root's lock: windows open, and debts move on, between two grants and never beside one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from service import webhooks
from service.models import Commitment, Lease, LeaseState, QuotaNode, WindowAccount
from service.webhooks import Event
from service.windows import Length, Window, following, window_of

NEARLY = 80
"""Percent of a budget that is nearly all of it."""


async def open_window(session: AsyncSession, row: Commitment, *, now: datetime) -> None:
    """See to it that the open window holds `now`.

    Each window in which a lease was live gets accounts. Others, in which the pool did nothing, are only counted: each
    of them took one budget off the debt.
    """
    if row.window_ends_at is not None and now < row.window_ends_at:
        return
    granted = await session.scalar(select(func.min(Lease.granted_at)).where(Lease.state != LeaseState.RELEASED))
    length = Length(row.window)
    since = row.window_ends_at or window_of(length, granted or now).starts_at
    before, windows = row.window_starts_at, 0
    for window in following(length, since, now):
        windows += 1
        if granted is None and window.ends_at <= now:
            continue
        await accrue(session, row, until=window.starts_at)
        values = {"starts_at": window.starts_at, "ends_at": window.ends_at, "before": before, "windows": windows}
        await session.execute(_OPEN, values)
        row.window_starts_at, row.window_ends_at, row.accrued_at = window.starts_at, window.ends_at, window.starts_at
        before, windows = window.starts_at, 0
    await tell(session, row, now=now)


# max(0, max(0, x - b) - (n - 1) * b) = max(0, x - n * b); of a node without a budget `greatest` ignores the null
_OPEN = text(
    """
    INSERT INTO window_account (node_id, starts_at, ends_at, budget_core_ms, debt_core_ms)
    SELECT n.id, :starts_at, :ends_at, n.window_budget_core_ms,
        greatest(0, a.debt_core_ms + a.settled_core_ms - CAST(:windows AS numeric) * n.window_budget_core_ms)
    FROM quota_node n LEFT JOIN window_account a
        ON a.node_id = n.id AND a.starts_at = CAST(:before AS timestamptz)
    """
)


async def since(session: AsyncSession, row: Commitment, earliest: datetime) -> list[Window]:
    """The windows from the one that holds `earliest` to the open one, first to last, without gaps if a lease was live
    from then on."""
    assert row.window_starts_at is not None  # a grant opened it
    assert row.window_ends_at is not None
    if earliest >= row.window_starts_at:
        return [Window(row.window_starts_at, row.window_ends_at)]
    query = (
        select(WindowAccount.starts_at, WindowAccount.ends_at)
        .join(QuotaNode, QuotaNode.id == WindowAccount.node_id)
        .where(QuotaNode.kind == "root", WindowAccount.ends_at > earliest)
        .order_by(WindowAccount.starts_at)
    )
    return [Window(*bounds) for bounds in await session.execute(query)]


async def settle(
    session: AsyncSession,
    row: Commitment,
    windows: Sequence[Window],
    core_ms: Mapping[tuple[UUID, Window], int],
    *,
    now: datetime,
) -> None:
    """Count in what nodes used, by node and window. What comes late to a window changes the debts of those after it;
    `windows` are all from the first that is concerned."""
    if not core_ms:
        return
    values = {
        "ids": [node for node, _ in core_ms],
        "starts_at": [window.starts_at for _, window in core_ms],
        "ends_at": [window.ends_at for _, window in core_ms],
        "core_ms": list(core_ms.values()),
    }
    limited = {node for node, budget in await session.execute(_SETTLE, values) if budget is not None}
    first = min(window for _, window in core_ms)
    for later in (window for window in windows if window > first):
        await session.execute(_CARRY, {"starts_at": later.starts_at, "ids": values["ids"]})
    if limited:
        await tell(session, row, limited, now=now)


_SETTLE = text(
    """
    INSERT INTO window_account (node_id, starts_at, ends_at, budget_core_ms, settled_core_ms)
    SELECT n.id, v.starts_at, v.ends_at, n.window_budget_core_ms, v.core_ms
    FROM unnest(CAST(:ids AS uuid[]), CAST(:starts_at AS timestamptz[]), CAST(:ends_at AS timestamptz[]),
                CAST(:core_ms AS bigint[])) AS v(id, starts_at, ends_at, core_ms)
    JOIN quota_node n ON n.id = v.id
    ON CONFLICT (node_id, starts_at)
        DO UPDATE SET settled_core_ms = window_account.settled_core_ms + excluded.settled_core_ms
    RETURNING node_id, budget_core_ms
    """
)
_CARRY = text(
    """
    UPDATE window_account a
    SET debt_core_ms = greatest(0, before.debt_core_ms + before.settled_core_ms - before.budget_core_ms)
    FROM window_account before
    WHERE a.starts_at = :starts_at AND a.node_id = ANY(CAST(:ids AS uuid[]))
        AND before.node_id = a.node_id AND before.ends_at = a.starts_at
    """
)


async def set_budget(session: AsyncSession, row: Commitment, node: QuotaNode, *, now: datetime) -> None:
    """Let the node's budget hold in the open window as well."""
    account = update(WindowAccount).where(WindowAccount.node_id == node.id)
    open_ = account.where(WindowAccount.starts_at == row.window_starts_at)
    await session.execute(open_.values(budget_core_ms=node.window_budget_core_ms))
    await tell(session, row, {node.id}, now=now)


async def tell(
    session: AsyncSession,
    row: Commitment,
    nodes: Collection[UUID] | None = None,
    *,
    now: datetime,
    refused: bool = False,
) -> None:
    """Promise webhooks to be told which of the nodes have nearly spent, or spent, their budgets of the open window: of
    each node once in a window, whatever is edited meanwhile.

    Estimates of what runs are not spent yet. Where items were `refused` for the budget, and nothing of the node runs
    that could give back some of its estimate, it is spent: what is left holds none of them.
    """
    query = (
        select(QuotaNode, WindowAccount)
        .join(WindowAccount, WindowAccount.node_id == QuotaNode.id)
        .where(
            WindowAccount.starts_at == row.window_starts_at,
            WindowAccount.budget_core_ms.is_not(None),
            WindowAccount.spent_at.is_(None),
        )
        .order_by(QuotaNode.id)
    )
    if nodes is not None:
        query = query.where(QuotaNode.id.in_(nodes))
    for node, account in (await session.execute(query.execution_options(populate_existing=True))).all():
        used, budget = account.debt_core_ms + account.settled_core_ms, account.budget_core_ms or 0
        events = []
        if used and 100 * used >= NEARLY * budget and account.nearly_spent_at is None:
            account.nearly_spent_at = now
            events.append(Event.BUDGET_NEARLY_SPENT)
        if (used and used >= budget) or (refused and not node.reserved_core_ms):
            account.spent_at = now
            events.append(Event.BUDGET_SPENT)
        for event in events:
            once = account.starts_at.isoformat()
            await webhooks.notify(session, event, node, _detail(account), now=now, once=once)


def _detail(account: WindowAccount) -> dict[str, Any]:
    return {
        "window_starts_at": account.starts_at.isoformat(),
        "window_ends_at": account.ends_at.isoformat(),
        "budget_core_ms": account.budget_core_ms,
        "debt_core_ms": account.debt_core_ms,
        "settled_core_ms": account.settled_core_ms,
    }


async def accrue(session: AsyncSession, row: Commitment, *, until: datetime) -> None:
    """Count in what each node was entitled to since it was last counted in: before shares or the limit change, and
    when a window ends."""
    if row.window_ends_at is None or row.accrued_at is None:
        return
    until = min(until, row.window_ends_at)
    if until > row.accrued_at:
        bounds: dict[str, Any] = {"starts_at": row.window_starts_at, "ends_at": row.window_ends_at}
        ms = (until - row.accrued_at) / timedelta(milliseconds=1)
        await session.execute(_ACCRUE, bounds | {"ms": ms})
        row.accrued_at = until


_ACCRUE = text(
    """
    INSERT INTO window_account (node_id, starts_at, ends_at, budget_core_ms, entitled_core_ms)
    SELECT id, :starts_at, :ends_at, window_budget_core_ms, share_mc * CAST(:ms AS float8) / 1000
    FROM quota_node
    ON CONFLICT (node_id, starts_at)
        DO UPDATE SET entitled_core_ms = window_account.entitled_core_ms + excluded.entitled_core_ms
    """
)
