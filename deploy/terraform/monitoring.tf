# Counts of the service's log lines, and who is told when runs stop. What is counted: plan/monitoring.tf.

resource "google_logging_metric" "event" {
  for_each        = local.monitoring.metrics
  project         = var.project_id
  name            = each.value.name
  filter          = each.value.filter
  value_extractor = each.value.value

  label_extractors = each.value.labels

  metric_descriptor {
    metric_kind = "DELTA"
    value_type  = each.value.value == null ? "INT64" : "DISTRIBUTION"

    dynamic "labels" {
      for_each = each.value.labels
      content {
        key        = labels.key
        value_type = "STRING"
      }
    }
  }

  depends_on = [google_project_service.used]
}

resource "google_monitoring_alert_policy" "alert" {
  for_each              = local.monitoring.alerts
  project               = var.project_id
  display_name          = each.value.title
  combiner              = "OR"
  notification_channels = var.notification_channels

  conditions {
    display_name = each.value.title

    condition_prometheus_query_language {
      query               = each.value.query
      duration            = "${each.value.seconds}s"
      evaluation_interval = "60s"
      # The metric of the log is not known before its first line, which is the very thing to be told of.
      disable_metric_validation = true
    }
  }

  documentation {
    content = each.value.advice
  }

  depends_on = [google_logging_metric.event]
}
