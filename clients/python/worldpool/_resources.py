"""The nouns of the pool, as attributes of both clients. What each call does stands in `_calls`."""

from __future__ import annotations

from worldpool import _calls
from worldpool._runs import AsyncRun, Run
from worldpool._twins import (
    AsyncResource,
    Resource,
    apaged,
    arun,
    arun_pages,
    awaited,
    paged,
    run,
    run_pages,
    sync,
)
from worldpool.models import RunInfo


class Environments(Resource):
    search = paged(_calls.search_environments)
    facets = sync(_calls.count_environments)
    get = sync(_calls.get_environment)


class Families(Resource):
    list = paged(_calls.list_families)
    get = sync(_calls.get_family)


class Modifiers(Resource):
    list = paged(_calls.list_modifiers)


class Subsets(Resource):
    create = sync(_calls.create_subset)
    get = sync(_calls.get_subset)
    list = paged(_calls.list_subsets)
    environments = paged(_calls.subset_environments)


class Tables(Resource):
    create = sync(_calls.create_table)
    get = sync(_calls.get_table)
    list = paged(_calls.list_tables)


class Policies(Resource):
    onnx = sync(_calls.create_onnx_policy)
    actions = sync(_calls.create_actions_policy)
    constant = sync(_calls.create_constant_policy)
    agents = sync(_calls.create_agents_policy)
    get = sync(_calls.get_policy)
    list = paged(_calls.list_policies)


class Runs(Resource):
    create = run(_calls.create_run)
    get_or_create = run(_calls.get_or_create_run)
    get = run(_calls.get_run)
    list = run_pages(_calls.list_runs)
    cancel = run(_calls.cancel_run)
    delete = sync(_calls.delete_run)
    groups = paged(_calls.run_groups)
    delete_group = sync(_calls.delete_group)
    scores = paged(_calls.run_scores)
    report = sync(_calls.report_run)
    explain = sync(_calls.explain_run)

    def wait(self, of: RunInfo | str, *, timeout_s: float | None = None) -> Run:
        """The run when it has ended; raises `WaitTimeout` after `timeout_s` seconds."""
        return self.get(of).wait(timeout_s=timeout_s)


class Webhooks(Resource):
    create = sync(_calls.create_webhook)
    list = paged(_calls.list_webhooks)
    delete = sync(_calls.delete_webhook)
    deliveries = paged(_calls.list_deliveries)
    redeliver = sync(_calls.redeliver_event)


class Splits(Resource):
    list = paged(_calls.list_splits)
    get = sync(_calls.get_split)


class AdminSplits(Resource):
    declare = sync(_calls.declare_split)
    activate = sync(_calls.activate_split)
    set_budget = sync(_calls.set_exposure_budget)


class Usage(Resource):
    list = paged(_calls.list_usage)


class Exposures(Resource):
    list = paged(_calls.list_exposures)


class Cells(Resource):
    list = paged(_calls.list_cells)
    create = sync(_calls.create_cell)


class Keys(Resource):
    list = paged(_calls.list_keys)
    create = sync(_calls.create_key)
    revoke = sync(_calls.revoke_key)


class Quotas(Resource):
    list = paged(_calls.list_quotas)
    get = sync(_calls.get_quota)
    update = sync(_calls.update_quota)
    create = sync(_calls.create_group)
    delete = sync(_calls.delete_quota)
    document = sync(_calls.quota_document)
    apply = sync(_calls.apply_quota_document)
    what_if = sync(_calls.ask_what_if)
    thaw = sync(_calls.thaw_quota)


class CommitmentResource(Resource):
    get = sync(_calls.get_commitment)
    update = sync(_calls.update_commitment)
    epochs = paged(_calls.list_epochs)


class Statements(Resource):
    list = paged(_calls.list_statements)
    get = sync(_calls.get_statement)
    export = sync(_calls.export_statement)


class Sites(Resource):
    list = paged(_calls.list_sites)
    create = sync(_calls.create_site)
    get = sync(_calls.get_site)
    cordon = sync(_calls.cordon_site)
    uncordon = sync(_calls.uncordon_site)
    drain = sync(_calls.drain_site)


class Workers(Resource):
    list = paged(_calls.list_workers)
    get = sync(_calls.get_worker)
    cordon = sync(_calls.cordon_worker)
    uncordon = sync(_calls.uncordon_worker)
    drain = sync(_calls.drain_worker)


class Changes(Resource):
    list = paged(_calls.list_changes)
    create = sync(_calls.schedule_change)
    cancel = sync(_calls.cancel_change)


class Loans(Resource):
    get = sync(_calls.get_loans)


class Audit(Resource):
    list = paged(_calls.list_audit)


class Admin(Resource):
    """What operators see and change; their key has the scopes `admin:read` and `admin:write`."""

    @property
    def cells(self) -> Cells:
        return Cells(self._client)

    @property
    def keys(self) -> Keys:
        return Keys(self._client)

    @property
    def quotas(self) -> Quotas:
        return Quotas(self._client)

    @property
    def commitment(self) -> CommitmentResource:
        return CommitmentResource(self._client)

    @property
    def statements(self) -> Statements:
        return Statements(self._client)

    @property
    def sites(self) -> Sites:
        return Sites(self._client)

    @property
    def workers(self) -> Workers:
        return Workers(self._client)

    @property
    def splits(self) -> AdminSplits:
        return AdminSplits(self._client)

    @property
    def exposures(self) -> Exposures:
        return Exposures(self._client)

    @property
    def changes(self) -> Changes:
        return Changes(self._client)

    @property
    def loans(self) -> Loans:
        return Loans(self._client)

    @property
    def audit(self) -> Audit:
        return Audit(self._client)


class AsyncEnvironments(AsyncResource):
    search = apaged(_calls.search_environments)
    facets = awaited(_calls.count_environments)
    get = awaited(_calls.get_environment)


class AsyncFamilies(AsyncResource):
    list = apaged(_calls.list_families)
    get = awaited(_calls.get_family)


class AsyncModifiers(AsyncResource):
    list = apaged(_calls.list_modifiers)


class AsyncSubsets(AsyncResource):
    create = awaited(_calls.create_subset)
    get = awaited(_calls.get_subset)
    list = apaged(_calls.list_subsets)
    environments = apaged(_calls.subset_environments)


class AsyncTables(AsyncResource):
    create = awaited(_calls.create_table)
    get = awaited(_calls.get_table)
    list = apaged(_calls.list_tables)


class AsyncPolicies(AsyncResource):
    onnx = awaited(_calls.create_onnx_policy)
    actions = awaited(_calls.create_actions_policy)
    constant = awaited(_calls.create_constant_policy)
    agents = awaited(_calls.create_agents_policy)
    get = awaited(_calls.get_policy)
    list = apaged(_calls.list_policies)


class AsyncRuns(AsyncResource):
    create = arun(_calls.create_run)
    get_or_create = arun(_calls.get_or_create_run)
    get = arun(_calls.get_run)
    list = arun_pages(_calls.list_runs)
    cancel = arun(_calls.cancel_run)
    delete = awaited(_calls.delete_run)
    groups = apaged(_calls.run_groups)
    delete_group = awaited(_calls.delete_group)
    scores = apaged(_calls.run_scores)
    report = awaited(_calls.report_run)
    explain = awaited(_calls.explain_run)

    async def wait(self, of: RunInfo | str, *, timeout_s: float | None = None) -> AsyncRun:
        """The run when it has ended; raises `WaitTimeout` after `timeout_s` seconds."""
        return await (await self.get(of)).wait(timeout_s=timeout_s)


class AsyncWebhooks(AsyncResource):
    create = awaited(_calls.create_webhook)
    list = apaged(_calls.list_webhooks)
    delete = awaited(_calls.delete_webhook)
    deliveries = apaged(_calls.list_deliveries)
    redeliver = awaited(_calls.redeliver_event)


class AsyncSplits(AsyncResource):
    list = apaged(_calls.list_splits)
    get = awaited(_calls.get_split)


class AsyncAdminSplits(AsyncResource):
    declare = awaited(_calls.declare_split)
    activate = awaited(_calls.activate_split)
    set_budget = awaited(_calls.set_exposure_budget)


class AsyncUsage(AsyncResource):
    list = apaged(_calls.list_usage)


class AsyncExposures(AsyncResource):
    list = apaged(_calls.list_exposures)


class AsyncCells(AsyncResource):
    list = apaged(_calls.list_cells)
    create = awaited(_calls.create_cell)


class AsyncKeys(AsyncResource):
    list = apaged(_calls.list_keys)
    create = awaited(_calls.create_key)
    revoke = awaited(_calls.revoke_key)


class AsyncQuotas(AsyncResource):
    list = apaged(_calls.list_quotas)
    get = awaited(_calls.get_quota)
    update = awaited(_calls.update_quota)
    create = awaited(_calls.create_group)
    delete = awaited(_calls.delete_quota)
    document = awaited(_calls.quota_document)
    apply = awaited(_calls.apply_quota_document)
    what_if = awaited(_calls.ask_what_if)
    thaw = awaited(_calls.thaw_quota)


class AsyncCommitment(AsyncResource):
    get = awaited(_calls.get_commitment)
    update = awaited(_calls.update_commitment)
    epochs = apaged(_calls.list_epochs)


class AsyncStatements(AsyncResource):
    list = apaged(_calls.list_statements)
    get = awaited(_calls.get_statement)
    export = awaited(_calls.export_statement)


class AsyncSites(AsyncResource):
    list = apaged(_calls.list_sites)
    create = awaited(_calls.create_site)
    get = awaited(_calls.get_site)
    cordon = awaited(_calls.cordon_site)
    uncordon = awaited(_calls.uncordon_site)
    drain = awaited(_calls.drain_site)


class AsyncWorkers(AsyncResource):
    list = apaged(_calls.list_workers)
    get = awaited(_calls.get_worker)
    cordon = awaited(_calls.cordon_worker)
    uncordon = awaited(_calls.uncordon_worker)
    drain = awaited(_calls.drain_worker)


class AsyncChanges(AsyncResource):
    list = apaged(_calls.list_changes)
    create = awaited(_calls.schedule_change)
    cancel = awaited(_calls.cancel_change)


class AsyncLoans(AsyncResource):
    get = awaited(_calls.get_loans)


class AsyncAudit(AsyncResource):
    list = apaged(_calls.list_audit)


class AsyncAdmin(AsyncResource):
    """What operators see and change; their key has the scopes `admin:read` and `admin:write`."""

    @property
    def cells(self) -> AsyncCells:
        return AsyncCells(self._client)

    @property
    def keys(self) -> AsyncKeys:
        return AsyncKeys(self._client)

    @property
    def quotas(self) -> AsyncQuotas:
        return AsyncQuotas(self._client)

    @property
    def commitment(self) -> AsyncCommitment:
        return AsyncCommitment(self._client)

    @property
    def statements(self) -> AsyncStatements:
        return AsyncStatements(self._client)

    @property
    def sites(self) -> AsyncSites:
        return AsyncSites(self._client)

    @property
    def workers(self) -> AsyncWorkers:
        return AsyncWorkers(self._client)

    @property
    def splits(self) -> AsyncAdminSplits:
        return AsyncAdminSplits(self._client)

    @property
    def exposures(self) -> AsyncExposures:
        return AsyncExposures(self._client)

    @property
    def changes(self) -> AsyncChanges:
        return AsyncChanges(self._client)

    @property
    def loans(self) -> AsyncLoans:
        return AsyncLoans(self._client)

    @property
    def audit(self) -> AsyncAudit:
        return AsyncAudit(self._client)
