"""The service behind the port, and all that it imports."""

from __future__ import annotations

import gc
import math
from contextlib import asynccontextmanager, closing
from functools import partial
from typing import TYPE_CHECKING, Protocol

import trio

from pipeline.cli.open_service import open_service
from pipeline.cli.tracing import tracing
from pipeline.net.access import is_loopback
from pipeline.net.admin_routes import OperatorRule
from pipeline.net.http_api import create_app
from pipeline.net.http_server import HttpServer
from pipeline.net.service_answers import ServiceAnswers
from pipeline.net.upload_rules import UploadRules
from pipeline.net.uploads import Uploads
from pipeline.usage_log import count_again

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from contextlib import AbstractAsyncContextManager

    from pipeline.cli.settings import ServeSettings
    from pipeline.executor import Tell
    from pipeline.holdings import Account
    from pipeline.leaving import Leaving
    from pipeline.net.access import Access
    from pipeline.net.crowd import Crowd
    from pipeline.usage_log import UsageLog


COLLECT_EVERY = 50_000, 20, 50
"""Objects that are made before Python looks for garbage, and how often it looks at older ones. A
connection ends in some hundred exceptions and cycles: by Python's own 700 five hundred that are
killed at once take a quarter more of the loop's time to be let go of."""


class AnswersOpener(Protocol):
    """`open_answers`."""

    def __call__(
        self,
        options: ServeSettings,
        access: Access,
        crowd: Crowd,
        tell: Tell,
        *,
        usage_log: UsageLog | None,
        account: Account,
        leaving: Leaving,
    ) -> AbstractAsyncContextManager[ServiceAnswers]:
        """See there."""


@asynccontextmanager
async def open_answers(
    options: ServeSettings,
    access: Access,
    crowd: Crowd,
    tell: Tell,
    *,
    usage_log: UsageLog | None,
    account: Account,
    leaving: Leaving,
) -> AsyncIterator[ServiceAnswers]:
    """The answers of the service for these options, which is warm. `crowd` is the port's; `tell`
    gets the parts of the start, each as it begins; `usage_log` a line for each
    conversation. `account` is of what waits for all clients, `leaving` may have been asked for."""
    idle_timeout_s = math.inf if options.idle_timeout_s is None else options.idle_timeout_s
    limits = options.max_listeners, idle_timeout_s
    opening = open_service(
        options,
        *limits,
        tell=tell,
        preload=options.preload,
        pacing=options.pacing,
        account=account,
        leaving=leaving,
    )
    async with tracing(options) as traces, opening as service, trio.open_nursery() as nursery:
        service.places.traces = traces
        if usage_log is not None:
            tell("the usage log: counting today's")
            await count_again(usage_log.path, access.keys.tenant)
            service.places.keep_usage = usage_log.write
        rules = upload_rules(options, access)
        with closing(Uploads(service, options.voices, rules)) as uploads:
            tell("the HTTP API: laying out")
            operators = OperatorRule(is_private=_is_private(options))
            make = partial(create_app, service, access.origins, uploads, operators)
            app = await trio.to_thread.run_sync(make, abandon_on_cancel=True)
            http = HttpServer(app)
            # Keep what was made so far out of full collections: walking it (80,000 objects of
            # FastAPI's and pydantic's) stops the loop, and with it everybody's sound, for 50 to
            # 90 ms.
            gc.collect()
            gc.freeze()
            gc.set_threshold(*COLLECT_EVERY)
            answers = ServiceAnswers(service, http, crowd, uploads)
            nursery.start_soon(answers.hang_ups.watch)
            yield answers
            nursery.cancel_scope.cancel()


def upload_rules(options: ServeSettings, access: Access) -> UploadRules:
    """The rules for voices that clients upload."""
    return UploadRules(
        is_on=options.uploads,
        has_keys=access.has_keys,
        is_private=_is_private(options),
        max_bytes=options.uploads_file_mb * 1_000_000,
        quota_bytes=options.uploads_quota_mb * 1_000_000,
    )


def _is_private(options: ServeSettings) -> bool:
    """Whether only this machine reaches the server, and it was not told to let everybody in."""
    return is_loopback(options.host) and not options.allow_no_key
