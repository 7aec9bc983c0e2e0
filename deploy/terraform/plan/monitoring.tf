# What is counted in the service's log, and when somebody is told.

locals {
  of_service = "resource.type=\"cloud_run_revision\" AND resource.labels.service_name=\"${var.name}\""
  prefix     = replace(var.name, "-", "_")

  # Each counts the lines of one event; `labels` splits the count, `value` makes it a distribution of that number.
  metrics = {
    for metric, counted in {
      runs             = { event = "report", labels = { outcome = "report.outcome" }, value = null }
      failed_runs      = { event = "run failed", labels = {}, value = null }
      dead_letters     = { event = "dead letter", labels = {}, value = null }
      datadog_calls    = { event = "report", labels = {}, value = "report.calls" }
      captures_created = { event = "report", labels = {}, value = "report.tally.captures_created" }
      } : metric => {
      name   = "${local.prefix}_${metric}"
      filter = "${local.of_service} AND jsonPayload.message=\"${counted.event}\""
      labels = { for label, path in counted.labels : label => "EXTRACT(jsonPayload.${path})" }
      value  = counted.value == null ? null : "EXTRACT(jsonPayload.${counted.value})"
    }
  }

  complete_runs = "logging_googleapis_com:user_${local.prefix}_runs{monitored_resource=\"cloud_run_revision\",outcome=\"complete\"}"
  none_lately   = "(sum(increase(${local.complete_runs}[${var.silent_minutes}m])) or vector(0)) < 0.5"

  # A condition on absence never fires for a series that never was, and a metric of the log has no series before its
  # first line. A sum over nothing does fire, with 0 put in for it; what must then be told apart is a service that
  # stopped, which is known the moment the window is empty, from one that is new, which gets as long as the window.
  alerts = {
    stopped = {
      title   = "${var.name}: no run has been complete for ${var.silent_minutes} minutes"
      query   = "${local.none_lately} and on() sum(increase(${local.complete_runs}[23h])) > 0.5"
      seconds = 0
      advice  = "Runs were complete in the last day and are no more. Look at /health of the service for the reasons, and at its log for the last report."
    }
    never = {
      title   = "${var.name}: no run is complete, and none may ever have been"
      query   = local.none_lately
      seconds = 60 * var.silent_minutes
      advice  = "Nothing was read whole since the service was deployed, or for longer than an alert can look back. Look at the scheduler job's last result, then at the service's log."
    }
    dead_letters = {
      title   = "${var.name}: spans could not be captured"
      query   = "sum(increase(logging_googleapis_com:user_${local.prefix}_dead_letters{monitored_resource=\"cloud_run_revision\"}[1h])) > 0"
      seconds = 0
      advice  = "Some spans became dead letters. List them with the command dead-letters list, and read them again with dead-letters replay."
    }
  }
}
