-- A comment on each object of schema `resumer`: what it is, and who writes or calls it. `\d+` and `\df+` of psql show them.
--
-- A test requires a comment on each object. Comments on triggers are in `triggers/`, because COMMENT locks the table.
-- Locks: SHARE UPDATE EXCLUSIVE on the daemon's own tables.

COMMENT ON SCHEMA resumer IS 'All objects of resumer-daemon. `migrate up` creates them, `migrate down` drops them.';
COMMENT ON DOMAIN resumer.request_kind IS 'The reasons for a request. A change needs no look at the rows.';
COMMENT ON DOMAIN resumer.request_outcome IS 'What can become of a request.';

COMMENT ON TABLE resumer.migrations IS 'The history of migrations: one line for each that was applied. `migrate up` and `migrate down` write it.';
COMMENT ON COLUMN resumer.migrations.name IS 'Name of the migration''s file.';
COMMENT ON COLUMN resumer.migrations.number IS 'Place among the numbered migrations; NULL for one that is applied again when its text changes.';
COMMENT ON COLUMN resumer.migrations.sha256 IS 'Fingerprint of the text that was applied.';
COMMENT ON COLUMN resumer.migrations.version IS 'Version of the program that applied it; an older program refuses to go over it.';
COMMENT ON COLUMN resumer.migrations.applied_at IS 'Time when it was applied.';

COMMENT ON TABLE resumer.resume_requests IS 'The queue: one reason to move an execution that is not settled. Triggers, functions and the daemon insert; the daemon settles.';
COMMENT ON COLUMN resumer.resume_requests.id IS 'Number of the request; requests and events share one sequence.';
COMMENT ON COLUMN resumer.resume_requests.execution_id IS 'Execution that the request is about.';
COMMENT ON COLUMN resumer.resume_requests.kind IS 'Reason for the request.';
COMMENT ON COLUMN resumer.resume_requests.source_id IS 'Approval request that was decided, for kind approval.';
COMMENT ON COLUMN resumer.resume_requests.decision IS 'Status that was written to the approval request, or what a trigger has seen.';
COMMENT ON COLUMN resumer.resume_requests.pause_number IS 'Pause that the request is meant for; NULL: the one that is open.';
COMMENT ON COLUMN resumer.resume_requests.payload IS 'Data of the request, such as those of a manual resume.';
COMMENT ON COLUMN resumer.resume_requests.actor IS 'Person, token or database role that asked.';
COMMENT ON COLUMN resumer.resume_requests.reason IS 'Reason that the actor gave.';
COMMENT ON COLUMN resumer.resume_requests.due_at IS 'Time from which a daemon takes it.';
COMMENT ON COLUMN resumer.resume_requests.requested_at IS 'Start of the statement that left it.';
COMMENT ON COLUMN resumer.resume_requests.outcome IS 'NULL while it is open, held while it is parked.';
COMMENT ON COLUMN resumer.resume_requests.organization_id IS 'Organisation of the execution, where the service has organisations.';

COMMENT ON TABLE resumer.settled_requests IS 'The ledger: what became of each request. The daemon inserts a row when it settles the request; later it only erases.';
COMMENT ON COLUMN resumer.settled_requests.id IS 'Number of the request; requests and events share one sequence.';
COMMENT ON COLUMN resumer.settled_requests.execution_id IS 'Execution that the request is about.';
COMMENT ON COLUMN resumer.settled_requests.kind IS 'Reason for the request.';
COMMENT ON COLUMN resumer.settled_requests.source_id IS 'Approval request that was decided, for kind approval.';
COMMENT ON COLUMN resumer.settled_requests.decision IS 'Status that was written to the approval request, or what a trigger has seen.';
COMMENT ON COLUMN resumer.settled_requests.pause_number IS 'Pause that the request is meant for; NULL: the one that is open.';
COMMENT ON COLUMN resumer.settled_requests.payload IS 'Data of the request, such as those of a manual resume.';
COMMENT ON COLUMN resumer.settled_requests.actor IS 'Person, token or database role that asked.';
COMMENT ON COLUMN resumer.settled_requests.reason IS 'Reason that the actor gave.';
COMMENT ON COLUMN resumer.settled_requests.due_at IS 'Time from which a daemon takes it.';
COMMENT ON COLUMN resumer.settled_requests.requested_at IS 'Start of the statement that left it.';
COMMENT ON COLUMN resumer.settled_requests.outcome IS 'What became of it.';
COMMENT ON COLUMN resumer.settled_requests.organization_id IS 'Organisation of the execution, where the service has organisations.';
COMMENT ON COLUMN resumer.settled_requests.finished_at IS 'Time when it was settled.';

COMMENT ON TABLE resumer.pauses IS 'One pause of one execution: the record that counts, beside the columns of the service. The daemon writes it.';
COMMENT ON COLUMN resumer.pauses.execution_id IS 'Execution that is or was paused.';
COMMENT ON COLUMN resumer.pauses.number IS 'Number of the pause, from 1.';
COMMENT ON COLUMN resumer.pauses.reason IS 'Reason: approval_required, waiting_for_event, waiting_for_time, manual or incident.';
COMMENT ON COLUMN resumer.pauses.step_id IS 'Step at which it is paused.';
COMMENT ON COLUMN resumer.pauses.next_steps IS 'Next step for each result: approved, refused, expired, event, timeout.';
COMMENT ON COLUMN resumer.pauses.waiting IS 'Wait condition, such as roles, an event or a time.';
COMMENT ON COLUMN resumer.pauses.state IS 'State from which it continues, with that of each branch.';
COMMENT ON COLUMN resumer.pauses.definition IS 'SHA-256 of the definition that it continues with (resumer.definitions).';
COMMENT ON COLUMN resumer.pauses.incident IS 'Cause, detail and remedy of an incident, and the reason that the pause had before.';
COMMENT ON COLUMN resumer.pauses.manual_pause IS 'Actor, reason and start of a manual pause, and the reason that the pause had before.';
COMMENT ON COLUMN resumer.pauses.approval_ids IS 'Approval requests that belong to this pause.';
COMMENT ON COLUMN resumer.pauses.prior_approval_ids IS 'Approval requests of earlier pauses, which do not count for this one.';
COMMENT ON COLUMN resumer.pauses.paused_at IS 'Time when it was paused.';
COMMENT ON COLUMN resumer.pauses.resumed_at IS 'Time when it was resumed; NULL while it is open.';
COMMENT ON COLUMN resumer.pauses.resumed_by IS 'Cause of the resume.';
COMMENT ON COLUMN resumer.pauses.organization_id IS 'Organisation of the execution, where the service has organisations.';

COMMENT ON TABLE resumer.leases IS 'An execution that a daemon runs beyond one transaction. The daemon that runs it writes and deletes it, or one that takes it over.';
COMMENT ON COLUMN resumer.leases.execution_id IS 'Execution that is run.';
COMMENT ON COLUMN resumer.leases.instance IS 'Daemon process that runs it; NULL while it waits for capacity.';
COMMENT ON COLUMN resumer.leases.epoch IS 'Number that grows with each durable point and each change of hands, over all leases; each write of the run names it.';
COMMENT ON COLUMN resumer.leases.lease_until IS 'Time after which another daemon takes over; NULL: nobody runs it.';
COMMENT ON COLUMN resumer.leases.takeovers IS 'Number of takeovers without progress.';
COMMENT ON COLUMN resumer.leases.state IS 'State of the run from which another daemon goes on.';
COMMENT ON COLUMN resumer.leases.definition IS 'SHA-256 of the definition that it runs (resumer.definitions).';
COMMENT ON COLUMN resumer.leases.recorded_at IS 'Time when the state was written.';

COMMENT ON TABLE resumer.definitions IS 'A definition as it was when an execution paused with it. The daemon inserts it, and deletes it once nothing uses it; a pause goes on with its own copy.';
COMMENT ON COLUMN resumer.definitions.sha256 IS 'Fingerprint of the definition''s text.';
COMMENT ON COLUMN resumer.definitions.body IS 'The definition.';
COMMENT ON COLUMN resumer.definitions.stored_at IS 'Time when it was stored.';
COMMENT ON COLUMN resumer.definitions.used_at IS 'Day when an execution last paused or ran with it.';

COMMENT ON TABLE resumer.instances IS 'A daemon process that is registered. The process itself writes it; others mark it as dead when its heartbeats stop.';
COMMENT ON COLUMN resumer.instances.id IS 'Identity of the process.';
COMMENT ON COLUMN resumer.instances.host IS 'Host that it runs on.';
COMMENT ON COLUMN resumer.instances.version IS 'Version of the program.';
COMMENT ON COLUMN resumer.instances.started_at IS 'Time when it started.';
COMMENT ON COLUMN resumer.instances.heartbeat_at IS 'Time of its last heartbeat.';
COMMENT ON COLUMN resumer.instances.silence IS 'Time without heartbeat after which it counts as dead.';
COMMENT ON COLUMN resumer.instances.state_version IS 'Newest state of an execution that it can read.';
COMMENT ON COLUMN resumer.instances.dead IS 'Whether another daemon has declared it dead.';

COMMENT ON TABLE resumer.control IS 'One row that triggers and functions read. The daemon writes its settings there when it starts; migrate up writes adopt_blocked.';
COMMENT ON COLUMN resumer.control.singleton IS 'Always true, so that there is one row.';
COMMENT ON COLUMN resumer.control.notify IS 'Whether triggers notify: on, off, or auto (unless two-phase commit is in use).';
COMMENT ON COLUMN resumer.control.polling_until IS 'Time until which a daemon polls, so that triggers need not notify.';
COMMENT ON COLUMN resumer.control.service_timezone IS 'Time zone in which the service''s columns without zone are meant.';
COMMENT ON COLUMN resumer.control.adopt_blocked IS 'Whether an execution that the service ends as blocked becomes a pause.';
COMMENT ON COLUMN resumer.control.adopt_within IS 'How long after it ended as blocked an execution may become a pause; what is older is imported history.';
COMMENT ON COLUMN resumer.control.decision_guard IS 'Whether approvals are checked for who gave them: off, audit or enforce.';
COMMENT ON COLUMN resumer.control.closed_status IS 'Status that an approval request gets when nobody waits for it any more.';
COMMENT ON COLUMN resumer.control.document_bytes IS 'Largest document that start and emit accept.';
COMMENT ON COLUMN resumer.control.event_capture IS 'Which events are captured: those of awaited types, all, or none (off).';
COMMENT ON COLUMN resumer.control.installed_at IS 'Time of the installation; what was blocked before is left alone.';

COMMENT ON TABLE resumer.event_types IS 'An event type that some workflow may wait for: its events are captured. The daemon writes it.';
COMMENT ON COLUMN resumer.event_types.event_type IS 'Type of the events.';
COMMENT ON COLUMN resumer.event_types.since IS 'Time from which the events of the type are captured or searched.';
COMMENT ON COLUMN resumer.event_types.searched_to IS 'Time, without a zone as the service has it, up to which events were searched.';
COMMENT ON COLUMN resumer.event_types.mark IS 'Transaction id that came next when the first search had ended.';
COMMENT ON COLUMN resumer.event_types.complete IS 'Whether all events since then are captured.';

COMMENT ON TABLE resumer.event_waits IS 'One wait for an event of an open pause. The daemon writes it with the pause, and deletes it when the pause ends.';
COMMENT ON COLUMN resumer.event_waits.execution_id IS 'Execution that waits.';
COMMENT ON COLUMN resumer.event_waits.pause_number IS 'Pause that waits.';
COMMENT ON COLUMN resumer.event_waits.path IS 'Place of the branch that waits; empty at the top level.';
COMMENT ON COLUMN resumer.event_waits.event_type IS 'Type of the event.';
COMMENT ON COLUMN resumer.event_waits.organization_id IS 'Organisation whose events count; zeros where the service has none.';
COMMENT ON COLUMN resumer.event_waits.match IS 'Values that the event must have, by path.';
COMMENT ON COLUMN resumer.event_waits.entities IS 'Ids that the execution names; an event that names another id is not meant.';
COMMENT ON COLUMN resumer.event_waits.anchor IS 'One of these conditions, by which an index finds the wait.';
COMMENT ON COLUMN resumer.event_waits.value IS 'Value of that condition.';
COMMENT ON COLUMN resumer.event_waits.since_id IS 'First event that counts, by its number.';
COMMENT ON COLUMN resumer.event_waits.since IS 'Time from which an event counts where its number is not known.';
COMMENT ON COLUMN resumer.event_waits.looked_to IS 'Number of the event up to which earlier events were looked at.';

COMMENT ON TABLE resumer.event_queue IS 'The queue of events: one that was captured and not handed over to all waits. The trigger on events inserts; the daemon deletes.';
COMMENT ON COLUMN resumer.event_queue.id IS 'Number of the event; requests and events share one sequence.';
COMMENT ON COLUMN resumer.event_queue.event_id IS 'Row in the service''s table events.';
COMMENT ON COLUMN resumer.event_queue.event_type IS 'Type of the event.';
COMMENT ON COLUMN resumer.event_queue.captured_at IS 'Start of the statement that inserted the event.';
COMMENT ON COLUMN resumer.event_queue.missed IS 'Whether the reconciler found it because no trigger saw it.';
COMMENT ON COLUMN resumer.event_queue.place IS 'Hash of the execution from which its waits are still to be served.';

COMMENT ON TABLE resumer.captured_events IS 'Events that a wait may look back to. The daemon inserts them, and deletes them after the retention.';
COMMENT ON COLUMN resumer.captured_events.id IS 'Number that the event had in the queue.';
COMMENT ON COLUMN resumer.captured_events.event_id IS 'Row in the service''s table events.';
COMMENT ON COLUMN resumer.captured_events.captured_at IS 'Start of the statement that inserted the event.';
COMMENT ON COLUMN resumer.captured_events.missed IS 'Whether the reconciler found it because no trigger saw it.';

COMMENT ON TABLE resumer.event_keys IS 'Keys by which a look back finds captured events. The daemon writes them.';
COMMENT ON COLUMN resumer.event_keys.key IS 'Hash of type, organisation and one value of the event.';
COMMENT ON COLUMN resumer.event_keys.captured_id IS 'Number of the captured event.';

COMMENT ON TABLE resumer.event_names IS 'Which entities the events of a type name together, for a look back. The daemon writes it.';
COMMENT ON COLUMN resumer.event_names.event_type IS 'Type of the events.';
COMMENT ON COLUMN resumer.event_names.organization_id IS 'Organisation of the events; zeros where the service has none.';
COMMENT ON COLUMN resumer.event_names.names IS 'Entities that such an event names, in order.';

COMMENT ON TABLE resumer.outbox IS 'A notification or record that a step sends. The daemon inserts it with the step, and writes each attempt.';
COMMENT ON COLUMN resumer.outbox.key IS 'Idempotency-Key of every attempt.';
COMMENT ON COLUMN resumer.outbox.execution_id IS 'Execution that sends it.';
COMMENT ON COLUMN resumer.outbox.kind IS 'notify, create_record or update_record.';
COMMENT ON COLUMN resumer.outbox.body IS 'What is sent.';
COMMENT ON COLUMN resumer.outbox.state IS 'pending, delivered or dead.';
COMMENT ON COLUMN resumer.outbox.attempts IS 'Attempts so far.';
COMMENT ON COLUMN resumer.outbox.next_at IS 'Time of the next attempt.';
COMMENT ON COLUMN resumer.outbox.error IS 'Error of the last attempt.';
COMMENT ON COLUMN resumer.outbox.delivered_to IS 'Receivers that have received it.';
COMMENT ON COLUMN resumer.outbox.created_at IS 'Time when the step wrote it.';
COMMENT ON COLUMN resumer.outbox.delivered_at IS 'Time when all receivers had it.';

COMMENT ON TABLE resumer.effects IS 'The journal of webhooks and records: the intent before, the outcome after. The daemon writes it.';
COMMENT ON COLUMN resumer.effects.key IS 'Idempotency-Key of every attempt.';
COMMENT ON COLUMN resumer.effects.execution_id IS 'Execution that it belongs to.';
COMMENT ON COLUMN resumer.effects.path IS 'Place of the action in the run.';
COMMENT ON COLUMN resumer.effects.kind IS 'Kind of the action, such as webhook.';
COMMENT ON COLUMN resumer.effects.request IS 'The request as it is sent.';
COMMENT ON COLUMN resumer.effects.delivery IS 'Whether it may be sent again: at_least_once or at_most_once.';
COMMENT ON COLUMN resumer.effects.status IS 'intent, done or failed.';
COMMENT ON COLUMN resumer.effects.attempts IS 'Attempts so far.';
COMMENT ON COLUMN resumer.effects.response IS 'Answer of the receiver.';
COMMENT ON COLUMN resumer.effects.error IS 'Error of the last attempt.';
COMMENT ON COLUMN resumer.effects.epoch IS 'Epoch of the lease under which it was recorded.';
COMMENT ON COLUMN resumer.effects.intended_at IS 'Time when the intent was recorded.';
COMMENT ON COLUMN resumer.effects.finished_at IS 'Time when the outcome was recorded.';
COMMENT ON COLUMN resumer.effects.next_at IS 'Time before which the next attempt is not made.';

COMMENT ON TABLE resumer.holds IS 'One hold of a workflow, or of everything. resumer.hold inserts it; resumer.release or the daemon ends it.';
COMMENT ON COLUMN resumer.holds.id IS 'Number of the hold.';
COMMENT ON COLUMN resumer.holds.workflow_id IS 'Workflow that is held; NULL: every workflow.';
COMMENT ON COLUMN resumer.holds.organization_id IS 'Organisation that it is limited to; NULL: all.';
COMMENT ON COLUMN resumer.holds.actor IS 'Person, token or database role that holds.';
COMMENT ON COLUMN resumer.holds.reason IS 'Reason that the actor gave.';
COMMENT ON COLUMN resumer.holds.held_at IS 'Time when it began.';
COMMENT ON COLUMN resumer.holds.until IS 'Time when it ends by itself; NULL: when it is released.';
COMMENT ON COLUMN resumer.holds.released_at IS 'Time when it ended; NULL while it is in force.';
COMMENT ON COLUMN resumer.holds.released_by IS 'Who ended it.';
COMMENT ON COLUMN resumer.holds.per_second IS 'Executions that go on each second after it has ended.';
COMMENT ON COLUMN resumer.holds.going IS 'Executions that have gone on so far.';
COMMENT ON COLUMN resumer.holds.next_at IS 'Time of the next slice.';
COMMENT ON COLUMN resumer.holds.stopped_to IS 'Pauses until this time may be its own.';
COMMENT ON COLUMN resumer.holds.kept_to IS 'Requests up to this number may be its own.';
COMMENT ON COLUMN resumer.holds.place_at IS 'Where the next slice of pauses begins, by time.';
COMMENT ON COLUMN resumer.holds.place_execution IS 'Where the next slice of pauses begins, by execution.';
COMMENT ON COLUMN resumer.holds.place_request IS 'Where the next slice of requests begins; NULL while there are pauses.';
COMMENT ON COLUMN resumer.holds.ended_at IS 'Time when the last slice went on.';

COMMENT ON TABLE resumer.tokens IS 'A token for the HTTP API. `token create` and `token revoke` write it; the daemon writes when it was used.';
COMMENT ON COLUMN resumer.tokens.id IS 'Identity of the token.';
COMMENT ON COLUMN resumer.tokens.name IS 'Name that its requests have as actor.';
COMMENT ON COLUMN resumer.tokens.sha256 IS 'Fingerprint of the token, which is shown once and not stored.';
COMMENT ON COLUMN resumer.tokens.permissions IS 'What it allows.';
COMMENT ON COLUMN resumer.tokens.organization_id IS 'Organisation that it is limited to; NULL: all.';
COMMENT ON COLUMN resumer.tokens.created_at IS 'Time when it was created.';
COMMENT ON COLUMN resumer.tokens.created_by IS 'Database role that created it.';
COMMENT ON COLUMN resumer.tokens.expires_at IS 'Time when it expires; NULL: never.';
COMMENT ON COLUMN resumer.tokens.last_used_at IS 'Time of its last use.';
COMMENT ON COLUMN resumer.tokens.revoked_at IS 'Time when it was revoked; NULL while it is in force.';

COMMENT ON TABLE resumer.idempotency_keys IS 'A POST of the HTTP API with an Idempotency-Key. The daemon writes it, and deletes it after a day.';
COMMENT ON COLUMN resumer.idempotency_keys.caller IS 'Caller that sent the key.';
COMMENT ON COLUMN resumer.idempotency_keys.key IS 'The Idempotency-Key.';
COMMENT ON COLUMN resumer.idempotency_keys.fingerprint IS 'Fingerprint of the request, to refuse another one with the same key.';
COMMENT ON COLUMN resumer.idempotency_keys.request IS 'Number of the request that it left.';
COMMENT ON COLUMN resumer.idempotency_keys.created_at IS 'Time of the first POST.';

COMMENT ON VIEW resumer.inbox IS 'Paused executions, and what each waits for. Read by people, the CLI and the HTTP API.';
COMMENT ON COLUMN resumer.inbox.execution_id IS 'Execution, by its id.';
COMMENT ON COLUMN resumer.inbox.execution_key IS 'Execution, by its key in the service.';
COMMENT ON COLUMN resumer.inbox.workflow IS 'Workflow, by its name.';
COMMENT ON COLUMN resumer.inbox.organization_id IS 'Organisation of the execution, where the service has organisations.';
COMMENT ON COLUMN resumer.inbox.pause_number IS 'Number of the pause.';
COMMENT ON COLUMN resumer.inbox.reason IS 'What it waits for.';
COMMENT ON COLUMN resumer.inbox.step_id IS 'Step at which it is paused.';
COMMENT ON COLUMN resumer.inbox.paused_at IS 'Time when it was paused.';
COMMENT ON COLUMN resumer.inbox.age IS 'Time since then.';
COMMENT ON COLUMN resumer.inbox.waiting_for IS 'Approvals, event, time, person or incident that it waits for; of several branches, the one that has waited longest.';

COMMENT ON VIEW resumer.lag IS 'Requests that are due and not settled. Read by people, doctor and alerts.';
COMMENT ON COLUMN resumer.lag.request IS 'Number of the request.';
COMMENT ON COLUMN resumer.lag.kind IS 'Reason for the request.';
COMMENT ON COLUMN resumer.lag.execution_id IS 'Execution, by its id.';
COMMENT ON COLUMN resumer.lag.decision IS 'Status that was written to the approval request.';
COMMENT ON COLUMN resumer.lag.actor IS 'Person, token or database role that asked.';
COMMENT ON COLUMN resumer.lag.reason IS 'Reason that the actor gave.';
COMMENT ON COLUMN resumer.lag.requested_at IS 'Time when it was asked for.';
COMMENT ON COLUMN resumer.lag.due_at IS 'Time from which a daemon takes it.';
COMMENT ON COLUMN resumer.lag.age IS 'Time since then.';

COMMENT ON VIEW resumer.ledger IS 'Decisions and other requests, and what became of each. Read by people, the CLI and the HTTP API.';
COMMENT ON COLUMN resumer.ledger.request IS 'Number of the request.';
COMMENT ON COLUMN resumer.ledger.execution_id IS 'Execution, by its id.';
COMMENT ON COLUMN resumer.ledger.execution_key IS 'Execution, by its key in the service.';
COMMENT ON COLUMN resumer.ledger.workflow IS 'Workflow, by its name.';
COMMENT ON COLUMN resumer.ledger.organization_id IS 'Organisation of the execution, where the service has organisations.';
COMMENT ON COLUMN resumer.ledger.kind IS 'Reason for the request.';
COMMENT ON COLUMN resumer.ledger.decision IS 'Status that was written to the approval request.';
COMMENT ON COLUMN resumer.ledger.source_id IS 'Approval request that was decided.';
COMMENT ON COLUMN resumer.ledger.pause_number IS 'Pause that the request was meant for.';
COMMENT ON COLUMN resumer.ledger.actor IS 'Person, token or database role that asked.';
COMMENT ON COLUMN resumer.ledger.reason IS 'Reason that the actor gave.';
COMMENT ON COLUMN resumer.ledger.requested_at IS 'Time when it was asked for.';
COMMENT ON COLUMN resumer.ledger.outcome IS 'What became of it.';
COMMENT ON COLUMN resumer.ledger.finished_at IS 'Time when it was settled.';
COMMENT ON COLUMN resumer.ledger.took IS 'Time from the request to its end.';

COMMENT ON VIEW resumer.incidents IS 'Executions that wait for a person because the daemon must not decide. Read by people and alerts.';
COMMENT ON COLUMN resumer.incidents.execution_id IS 'Execution, by its id.';
COMMENT ON COLUMN resumer.incidents.execution_key IS 'Execution, by its key in the service.';
COMMENT ON COLUMN resumer.incidents.workflow IS 'Workflow, by its name.';
COMMENT ON COLUMN resumer.incidents.organization_id IS 'Organisation of the execution, where the service has organisations.';
COMMENT ON COLUMN resumer.incidents.pause_number IS 'Number of the pause.';
COMMENT ON COLUMN resumer.incidents.step_id IS 'Step at which it is paused.';
COMMENT ON COLUMN resumer.incidents.cause IS 'Code of the cause.';
COMMENT ON COLUMN resumer.incidents.detail IS 'What happened.';
COMMENT ON COLUMN resumer.incidents.remedy IS 'What to do.';
COMMENT ON COLUMN resumer.incidents.over IS 'Reason that the pause had before the incident.';
COMMENT ON COLUMN resumer.incidents.paused_at IS 'Time when it was paused.';
COMMENT ON COLUMN resumer.incidents.age IS 'Time since then.';

COMMENT ON VIEW resumer.requests IS 'All requests, of the queue and of the ledger. Read by functions and the daemon.';
COMMENT ON COLUMN resumer.requests.id IS 'Number of the request; requests and events share one sequence.';
COMMENT ON COLUMN resumer.requests.execution_id IS 'Execution that the request is about.';
COMMENT ON COLUMN resumer.requests.kind IS 'Reason for the request.';
COMMENT ON COLUMN resumer.requests.source_id IS 'Approval request that was decided, for kind approval.';
COMMENT ON COLUMN resumer.requests.decision IS 'Status that was written to the approval request, or what a trigger has seen.';
COMMENT ON COLUMN resumer.requests.pause_number IS 'Pause that the request is meant for; NULL: the one that is open.';
COMMENT ON COLUMN resumer.requests.payload IS 'Data of the request, such as those of a manual resume.';
COMMENT ON COLUMN resumer.requests.actor IS 'Person, token or database role that asked.';
COMMENT ON COLUMN resumer.requests.reason IS 'Reason that the actor gave.';
COMMENT ON COLUMN resumer.requests.due_at IS 'Time from which a daemon takes it.';
COMMENT ON COLUMN resumer.requests.requested_at IS 'Start of the statement that left it.';
COMMENT ON COLUMN resumer.requests.outcome IS 'NULL while it is open, held while it is parked, else what became of it.';
COMMENT ON COLUMN resumer.requests.organization_id IS 'Organisation of the execution, where the service has organisations.';
COMMENT ON COLUMN resumer.requests.finished_at IS 'Time when it was settled; NULL in the queue.';

COMMENT ON VIEW resumer.notify_enabled IS 'One row where triggers must notify, because no daemon polls. Read by trigger functions.';

-- By name, because a function may get other arguments.
DO $do$
DECLARE
  described record;
BEGIN
  FOR described IN
    SELECT f.oid::regprocedure AS function, d.text
    FROM (VALUES
      ('execution_summary', 'Returns key, workflow, organization and status of an execution. Called by views and functions.'),
      ('adopt', 'SQL interface: asks a daemon to look at an execution that was blocked before the installation.'),
      ('approvals_needed', 'Returns how many approvals a pause needs. Called by functions.'),
      ('approvals_of', 'Returns the approvals that belong to a pause. Called by functions.'),
      ('approve', 'SQL interface: approves an approval request. Returns the id of the request that it leaves.'),
      ('add_request', 'Inserts one request for an execution. Called by the SQL interface.'),
      ('branches_of', 'Returns the branches of a pause, each as a pause. Called by functions.'),
      ('cancel', 'SQL interface: ends an execution that has not ended, without result.'),
      ('check_object', 'Refuses a document that is no JSON object. Called by the SQL interface.'),
      ('check_size', 'Refuses a document that is larger than allowed. Called by the SQL interface.'),
      ('decide', 'Writes a decision to an approval request. Called by approve and reject.'),
      ('differs', 'Returns whether two values certainly differ. Called by may_end.'),
      ('emit', 'SQL interface: writes an event.'),
      ('event_key', 'Returns a key by which events are found. Called by the daemon.'),
      ('event_names_of', 'Returns the entities that an event names. Called by the daemon.'),
      ('event_terms', 'Returns the values of an event by which it is found. Called by the daemon.'),
      ('explain', 'SQL interface: explains why an execution does not continue, and what would change that.'),
      ('find', 'SQL interface: returns the id of an execution by its key or id.'),
      ('hold', 'SQL interface: holds a workflow, or everything.'),
      ('hold_of', 'Returns the hold that keeps an execution. Called by functions.'),
      ('index_text', 'Returns a value as an index holds it. Called by the daemon.'),
      ('is_guarded', 'Returns whether a write is of the kind that the guard refuses for executions of the daemon. Called by trigger functions.'),
      ('is_ours', 'Returns whether an execution is run, paused or ended by the daemon. Called by a trigger function.'),
      ('format_age', 'Returns a time as a duration from now, for people. Called by explain.'),
      ('end_hold', 'Releases a slice of what an ended hold stopped or parked. Called by the daemon.'),
      ('may_end', 'Returns whether an event may end a wait. Called by the daemon.'),
      ('guard_violation', 'Returns why an approval must not count. Called by the guard and the daemon.'),
      ('on_approval_delete', 'Trigger function: leaves a request for each approval request that is deleted.'),
      ('on_approval_guard', 'Trigger function: refuses an approval that must not count, where RESUMER_DECISION_GUARD is enforce.'),
      ('on_approval_insert', 'Trigger function: leaves a request for each approval request that is inserted by others or decided.'),
      ('on_approval_update', 'Trigger function: leaves a request for each decision that is written, and for each approval request that moves to another execution.'),
      ('on_event_insert', 'Trigger function: queues each event that is inserted.'),
      ('on_execution_insert', 'Trigger function: leaves a request for each execution that is inserted as paused or blocked.'),
      ('on_execution_update', 'Trigger function: leaves a request where another program pauses, resumes or blocks an execution, or its write was rejected.'),
      ('protect_execution', 'Trigger function: refuses writes of others over a pause, a run or an end of the daemon, and makes a blocked end a pause.'),
      ('pause', 'SQL interface: stops an execution before its next step.'),
      ('pauses_at_once', 'Returns whether an execution that another program ends as blocked becomes a pause at once. Called by a trigger function.'),
      ('printable', 'Returns a text with its control characters spelled out. Called by functions.'),
      ('queue', 'Inserts an execution with its start request. Called by start and the daemon.'),
      ('quoted', 'Returns a text as a literal that is safe to paste. Called by functions.'),
      ('lock_inbox', 'Takes the lock of the inbox that an INSERT takes, or fails after 100 ms. Called by a trigger function.'),
      ('reason', 'Returns one reason of explain as JSON.'),
      ('check_not_on_hold', 'Refuses a request that would wait for the release of a hold. Called by the SQL interface.'),
      ('check_pause_number', 'Refuses a request for another pause than the open one. Called by the SQL interface.'),
      ('reject', 'SQL interface: rejects an approval request. Returns the id of the request that it leaves.'),
      ('release', 'SQL interface: ends a hold.'),
      ('resume', 'SQL interface: resumes a paused execution, from the pause of this number if one is given.'),
      ('retry', 'SQL interface: goes on after an incident, from the pause of this number if one is given.'),
      ('retry_message', 'SQL interface: makes dead messages of the outbox due again.'),
      ('sequences', 'Returns each sequence with the highest number that is taken. Called by doctor.'),
      ('service_now', 'Returns the clock of the service''s columns without time zone. Called by functions.'),
      ('service_path', 'Returns the search path for what the service''s own triggers call. Called by the SQL interface.'),
      ('shell', 'Returns a text as an argument for a shell. Called by explain.'),
      ('inbox_page', 'Returns a page of resumer.inbox behind a row. Called by programs.'),
      ('ledger_page', 'Returns a page of resumer.ledger before a request. Called by programs.'),
      ('longest_branch_of', 'Returns the branch of a pause that has waited longest. Called by views.'),
      ('start', 'SQL interface: starts a workflow.'),
      ('status', 'SQL interface: returns the status of an execution, for programs.'),
      ('has_control_characters', 'Returns whether a text has invisible or control characters. Called by functions.'),
      ('waiting_for', 'Returns what a pause waits for. Called by views and functions.'),
      ('wake', 'Notifies the daemons, unless one polls. Called by trigger functions and the SQL interface.'),
      ('was_paused', 'Returns whether the daemon has a record of a pause of an execution. Called by trigger functions.'),
      ('explain_approval', 'Part of explain: approvals that are missing or do not count.'),
      ('explain_health', 'Part of explain: daemons, triggers, definition and messages.'),
      ('explain_requests', 'Part of explain: requests that are open, parked or failed.'),
      ('explain_blockers', 'Part of explain: a hold, a manual pause, an incident.'),
      ('explain_status', 'Part of explain: an execution that has ended or not begun.'),
      ('explain_running', 'Part of explain: an execution that runs.'),
      ('explain_waiting', 'Part of explain: an event, a time, or a pause without record.'),
      ('write_record', 'Writes a record of a step into a table that the settings name. Called by the daemon.')
    ) AS d (name, text)
    JOIN pg_proc f ON f.proname = d.name AND f.pronamespace = 'resumer'::regnamespace
  LOOP
    EXECUTE format('COMMENT ON FUNCTION %s IS %L', described.function, described.text);
  END LOOP;
END
$do$;
