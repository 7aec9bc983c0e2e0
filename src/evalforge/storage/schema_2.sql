-- Schema version 2: erasure, and lists that are read by an index whatever their filter.

CREATE TABLE erased (
  trace_id TEXT PRIMARY KEY
);
CREATE INDEX dead_letters_of_trace ON dead_letters (json_extract(CAST(document AS TEXT), '$.trace_id'));
DROP INDEX captures_newest_first;
CREATE INDEX captures_newest_first
  ON captures (last_failed_at DESC, trace_id, service_name, failure_type, severity, status);
CREATE INDEX captures_of_service
  ON captures (service_name, last_failed_at DESC, trace_id, failure_type, severity, status);
