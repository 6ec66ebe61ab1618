"""Writers in any zone, with any clock: what they say of the time moves nothing, and is counted."""

from typing import LiteralString

import pytest

from tests.harness import Database, eventually_sync, every_vintage
from tests.harness.running import running
from tests.harness.service import Service, allow, ask

# how a writer fills `decided_at`, and whether that is another time than it was (read in UTC)
WRITERS: dict[LiteralString, bool] = {
    "clock_timestamp() AT TIME ZONE 'UTC'": False,
    "NULL": False,
    "clock_timestamp() AT TIME ZONE 'America/New_York'": True,
    "clock_timestamp() AT TIME ZONE 'Asia/Tokyo'": True,
    "'2026-03-08 02:30:00'": True,  # an hour that New York never had
    "'2026-01-31 09:30:00+05:00'": True,
    "'0044-03-15 12:00:00 BC'": False,  # no clock says that
    "'infinity'": False,
}
COUNTED = "resumer_resume_latency_seconds_count"  # the last thing that is noted of a move
WRITE: LiteralString = "UPDATE approval_requests SET status = 'approved', decided_at = "


@pytest.mark.parametrize("zone", ["UTC", "America/New_York"])
def test_every_decision_counts_and_no_latency_is_absurd(database: Database, zone: str):
    service = Service(database)
    service.workflow(ask(), allow())
    with running(database) as daemon:
        counted = 0
        done: list[str] = []
        for said, suspect in WRITERS.items():
            done.append(said)
            execution = service.paused()
            counted += suspect
            with database.connect(options=f"-c TimeZone={zone}") as writer:
                writer.execute(WRITE + said + " WHERE execution_id = %s", [execution])
            assert service.ended(execution)["result"] == "allowed"
            eventually_sync(
                lambda: daemon.metric(COUNTED, trigger="approval") == len(done), of=said
            )
            assert daemon.metric("resumer_decision_clock_skew_total") == counted, said
        for stage in ("claim", "resume"):
            name = f"resumer_{stage}_latency_seconds_sum"
            assert 0 <= daemon.metric(name, trigger="approval") < 60 * len(WRITERS)


@every_vintage
def test_a_writer_in_the_zone_of_the_settings_is_not_suspected(database: Database):
    service = Service(database)
    service.workflow(ask(), allow())
    with running(database, service_timezone="America/New_York") as daemon:
        execution = service.paused()
        with database.connect(options="-c TimeZone=America/New_York") as writer:
            writer.execute("UPDATE approval_requests SET status = 'approved', decided_at = now()")
        service.ended(execution)
        eventually_sync(lambda: daemon.metric(COUNTED, trigger="approval") == 1)
        assert daemon.metric("resumer_decision_clock_skew_total") == 0
