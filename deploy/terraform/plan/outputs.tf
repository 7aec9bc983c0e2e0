output "service" {
  description = "The Cloud Run service and job."
  value = {
    name             = var.name
    job              = "${var.name}-backfill"
    concurrency      = var.concurrency
    memory           = var.memory
    cpu              = "1"
    min_instances    = 0
    max_instances    = 1
    timeout          = "${local.timeout_seconds}s"
    ingress          = var.ingress
    runtime_account  = "${var.name}-runtime"
    settings         = merge(var.settings, local.fixed_settings)
    backfill_timeout = "86400s"
  }
}

output "scheduler" {
  description = "The job that starts runs."
  value = {
    name             = "${var.name}-run"
    schedule         = var.schedule
    time_zone        = "Etc/UTC"
    attempt_deadline = "${local.attempt_deadline_seconds}s"
    account          = "${var.name}-scheduler"
    path             = "/ingestion/run-once"
  }
}

output "secrets" {
  description = "The id of each secret, its version, and where it is mounted."
  value = {
    for key, id in local.secrets : key => { id = id, version = local.secret_versions[key], folder = "/secrets/${key}" }
  }
}

output "firestore" {
  description = "The database's indexes, exemptions from automatic ones, and fields by which documents expire."
  value = {
    location   = var.firestore_location
    database   = var.database
    indexes    = local.indexes
    exemptions = local.exemptions
  }
}

output "monitoring" {
  description = "What is counted in the log, and when somebody is told."
  value       = { metrics = local.metrics, alerts = local.alerts }
}
