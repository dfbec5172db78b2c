"""Group commit: functions submitted at about the same time share one transaction.

Optimistic: all functions of a group run one after the other in one transaction.  A function that raises before it
changed anything just gets its exception.  After any other failure everything is rolled back and the functions run
again, each in a savepoint, so that a failure undoes its own work only; and if the transaction itself is lost, each in
a transaction of its own.  Functions therefore may run more than once (`store.store`), but never after their work may be
durable: when the connection is lost, all of the group get that error.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from queue import Empty, SimpleQueue
from typing import Any, Final

from graphpost.errors import StoreBusy, StoreError
from graphpost.store.databases.transaction import Session, Transaction, Work
from graphpost.store.store import Tx

GROUP: Final = 256  # functions in one transaction, at most
JOINED_SECONDS: Final = 0.1
_TRIES: Final = 6


class ConnectionLostError(StoreError):
    """The connection to the database is gone; what was under way is not done, or its outcome is not known."""


class Job:
    """A function on its way through the writer."""

    __slots__ = ("error", "fn", "future", "loop", "result")

    def __init__(
        self, fn: Callable[[Tx], Any], future: asyncio.Future[Any], loop: asyncio.AbstractEventLoop
    ) -> None:
        self.fn = fn
        self.future = future
        self.loop = loop
        self.result: Any = None
        self.error: BaseException | None = None


class Submissions:
    """The way from event loops to writer threads: everything submitted in one turn of a loop arrives at once.

    That keeps the writer from competing for the interpreter with the callers whose work it could have shared.
    """

    def __init__(self) -> None:
        self._queue: SimpleQueue[list[Job] | None] = SimpleQueue()
        self._open: dict[asyncio.AbstractEventLoop, list[Job]] = {}
        self._closed = False
        self._last: asyncio.Future[Any] | None = None
        self._hanging: asyncio.Future[Any] | None = None  # what those who joined have waited for in vain
        self._watchers: list[Callable[[Collection[int]], None]] = []

    def watch(self, told: Callable[[Collection[int]], None]) -> None:
        """Call it after each commit with the mailboxes that were written to, from the writer's thread."""
        self._watchers.append(told)

    def tell(self, mailboxes: Collection[int]) -> None:
        """These mailboxes have been written to."""
        for told in self._watchers:
            told(mailboxes)

    def submit(self, fn: Callable[[Tx], Any]) -> asyncio.Future[Any]:
        """Called in a running loop; the future has the function's result once it is durable."""
        if self._closed:
            raise StoreError("the store is closed")
        self._last = future = self._put(fn)
        return future

    def _put(self, fn: Callable[[Tx], Any]) -> asyncio.Future[Any]:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        job = Job(fn, future, loop)
        batch = self._open.get(loop)
        if batch is None:
            self._open[loop] = [job]
            loop.call_soon(self._hand_over, loop)
        else:
            batch.append(job)
        return future

    async def join(self) -> None:
        """Wait for the commit of what others submit at this moment, if anybody does: JOINED_SECONDS at most.

        When that was in vain nobody joins until what they waited for has ended: they would pile up.
        """
        await asyncio.sleep(0)  # who came in the same turn of the loop submits in the next one
        if self._closed or (last := self._last) is None or last.done() or not _has_ended(self._hanging):
            return
        future = self._put(_nothing)
        timer = asyncio.get_running_loop().call_later(JOINED_SECONDS, self._leave, future, last)
        try:
            await future
        except StoreError:
            return
        finally:
            timer.cancel()

    def _leave(self, future: asyncio.Future[Any], last: asyncio.Future[Any]) -> None:
        if not future.done():
            self._hanging = last
            future.set_result(None)

    def _hand_over(self, loop: asyncio.AbstractEventLoop) -> None:
        batch = self._open.pop(loop, None)
        if batch:
            self._queue.put(batch)

    def close(self) -> None:
        """Take nothing more; what was submitted is still handed over."""
        self._closed = True
        for loop in list(self._open):
            self._hand_over(loop)
        self._queue.put(None)

    def take(self) -> list[Job] | None:
        """Wait for jobs; None when there will be no more."""
        jobs = self._queue.get()
        if jobs is None:
            self._queue.put(None)  # the other writers want to know too
            return None
        self.take_more(jobs)
        return jobs

    def take_more(self, jobs: list[Job]) -> None:
        """Add what waits, up to a group of them."""
        while len(jobs) < GROUP:
            try:
                more = self._queue.get_nowait()
            except Empty:
                break
            if more is None:
                self._queue.put(None)
                break
            jobs.extend(more)


def _nothing(_: Tx) -> None:
    """What those submit who only join a group."""


def _has_ended(future: asyncio.Future[Any] | None) -> bool:
    return future is None or future.done()


def run_jobs(session: Session, jobs: list[Job], tell: Callable[[Collection[int]], None]) -> None:
    """Run the jobs in groups, answer each, and tell which mailboxes were written to.

    Never raises for what a function or the database does.
    """
    for start in range(0, len(jobs), GROUP):
        group = [job for job in jobs[start : start + GROUP] if not job.future.cancelled()]
        if group:
            mailboxes = set[int]()
            run_group(session, group, mailboxes)
            answer(group)
            if mailboxes:
                tell(mailboxes)


def answer(jobs: Sequence[Job]) -> None:
    """Resolve the jobs' futures, each in its own loop."""
    loops = {job.loop for job in jobs}
    for loop in loops:
        mine = jobs if len(loops) == 1 else [job for job in jobs if job.loop is loop]
        try:
            loop.call_soon_threadsafe(_resolve, mine)
        except RuntimeError:
            continue  # that loop is closed: nobody waits any more


def _resolve(jobs: Sequence[Job]) -> None:
    for job in jobs:
        if job.future.done():
            continue  # its caller was cancelled meanwhile
        if job.error is None:
            job.future.set_result(job.result)
        elif isinstance(job.error, StopIteration):
            job.future.set_exception(RuntimeError("a store function raised StopIteration"))
        else:
            job.future.set_exception(job.error)


def run_group(session: Session, jobs: list[Job], mailboxes: set[int]) -> None:
    """Run the jobs so that each has its result, durable, or its error; adds the mailboxes that were written to."""
    try:
        failure = _attempt(session, jobs, mailboxes)
        if failure is None:
            return
        if isinstance(failure, ConnectionLostError) or len(jobs) == 1:
            _fail(jobs, failure)
        elif not _in_savepoints(session, jobs, mailboxes):
            for job in jobs:
                run_group(session, [job], mailboxes)
    except BaseException as error:
        session.rollback()
        _fail(jobs, error)


def _fail(jobs: Sequence[Job], error: BaseException) -> None:
    for job in jobs:
        job.result, job.error = None, error


def _attempt(session: Session, jobs: list[Job], mailboxes: set[int]) -> BaseException | None:
    """Run all in one transaction, again after a conflict; the failure that made it impossible, or None."""
    failure: BaseException | None = None
    for _ in range(_TRIES):
        try:
            _together(session, jobs, mailboxes)
        except StoreBusy as error:
            session.rollback()
            failure = error
        except BaseException as error:
            session.rollback()
            return error
        else:
            return None
    return failure


def _together(session: Session, jobs: list[Job], mailboxes: set[int]) -> None:
    session.begin()
    work = Work(session)
    for job in jobs:
        tx = Transaction(work, session.dialect)
        try:
            job.result, job.error = job.fn(tx), None
        except Exception as error:
            if tx.wrote or isinstance(error, StoreError):
                raise
            job.result, job.error = None, error
        finally:
            tx.end()
    written = work.finish()
    session.commit()
    mailboxes.update(written)


def _in_savepoints(session: Session, jobs: list[Job], mailboxes: set[int]) -> bool:
    """Run all in one transaction, failures undone one by one; False when the transaction itself was lost."""
    try:
        session.begin()
        total = Work(session)
        for job in jobs:
            _in_savepoint(session, job, total)
        written = total.finish()
        session.commit()
        mailboxes.update(written)
    except ConnectionLostError:
        raise  # perhaps all of it was done: it must not be done again
    except StoreError:
        session.rollback()
        return False
    return True


def _in_savepoint(session: Session, job: Job, total: Work) -> None:
    session.change("SAVEPOINT job", ())
    work = Work(session, total)
    tx = Transaction(work, session.dialect)
    try:
        job.result, job.error = job.fn(tx), None
        work.flush()
        session.change("RELEASE SAVEPOINT job", ())
    except (StoreBusy, ConnectionLostError):
        raise
    except BaseException as error:
        job.result, job.error = None, error
        session.change("ROLLBACK TO SAVEPOINT job", ())
        session.change("RELEASE SAVEPOINT job", ())
    else:
        total.add_counts(work)
    finally:
        tx.end()
