"""One run from its lease to its report: `Pipeline` takes and keeps the lease, `Run` does the work.

Knows ports, not adapters. Failure of the run costs nothing but freshness.
"""

from evalforge.common.clock import timestamp
from evalforge.ingestion.earlier_runs import close_abandoned
from evalforge.ingestion.heartbeat import Heartbeat
from evalforge.ingestion.parts import Parts, Remembered
from evalforge.ingestion.run import Run
from evalforge.ingestion.waiting import acquire
from evalforge.models import IngestionRun


class Pipeline(Parts):
    """`run` may be called once."""

    def run(self) -> IngestionRun:
        """The report of the run, which is also stored. Raises LeaseHeld or CredentialsRejected, after storing it.

        A turn of a backfill is waited for.
        """
        lease = acquire(self.store, self.run_id, self.clock, self.lease_seconds)
        started = self.clock.now()
        with Heartbeat(self.store, lease, self.clock, self.lease_seconds) as heartbeat:
            close_abandoned(self.store, lease, timestamp(started))
            return Run(self, lease, started, heartbeat, Remembered.of(self.store)).execute()
