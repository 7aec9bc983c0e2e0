# From what was chosen, everything that can be known without Google: names, limits, environment, indexes, alerts.

terraform {
  required_version = ">= 1.9"
}

locals {
  # Each field is a list of *, N or N-M, each with an optional step.
  cron_bounds = {
    minute  = "[0-5]?[0-9]"
    hour    = "([01]?[0-9]|2[0-3])"
    day     = "(0?[1-9]|[12][0-9]|3[01])"
    month   = "(0?[1-9]|1[0-2]|jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)"
    weekday = "([0-7]|sun|mon|tue|wed|thu|fri|sat)"
  }
  cron_fields = [
    for field in ["minute", "hour", "day", "month", "weekday"] :
    replace("(\\*|N(-N)?)(/[1-9][0-9]?)?(,(\\*|N(-N)?)(/[1-9][0-9]?)?)*", "N", local.cron_bounds[field])
  ]
  cron = "(?i)^${join(" ", local.cron_fields)}$"

  # Cloud Run ends a request, and Cloud Scheduler gives up an attempt, after as long as there is between two runs.
  timeout_seconds          = 900
  attempt_deadline_seconds = 900
  seconds_to_finish        = 60

  secrets      = { for key in keys(local.secret_files) : key => "${var.name}-${key}" }
  secret_files = { dd-api-key = "DD_API_KEY_FILE", dd-app-key = "DD_APP_KEY_FILE", hash-key = "EVALFORGE_HASH_KEY_FILE" }
  # Keys of Datadog are rotated: the newest counts, and is read anew without a deployment. Another hash key makes
  # everybody a stranger, so that its version stays until somebody says otherwise.
  secret_versions = merge({ dd-api-key = "latest", dd-app-key = "latest", hash-key = "1" }, var.secret_versions)

  fixed_settings = merge(
    {
      DD_SITE                     = var.dd_site
      EVALFORGE_AUTH              = "cloud-run"
      EVALFORGE_STORE             = "firestore://${var.project_id}/${var.database}"
      FIRESTORE_COLLECTION_PREFIX = var.collection_prefix
      EVALFORGE_DEADLINE_SECONDS  = tostring(var.run_deadline_seconds)
      EVALFORGE_RETENTION_DAYS    = tostring(var.retention_days)
    },
    { for key, variable in local.secret_files : variable => "/secrets/${key}/key" },
  )

  # One list for people with and without terraform; `evalforge_` there stands for the prefix.
  declared = jsondecode(file("${path.module}/../../firestore.indexes.json"))
  indexes = {
    for index in local.declared.indexes :
    join("-", concat([index.collectionGroup], [for field in index.fields : field.fieldPath])) => {
      collection = replace(index.collectionGroup, "/^evalforge_/", var.collection_prefix)
      fields     = [for field in index.fields : { path = field.fieldPath, order = field.order }]
    }
  }
  exemptions = {
    for one in local.declared.fieldOverrides :
    "${one.collectionGroup}-${one.fieldPath}" => {
      collection = replace(one.collectionGroup, "/^evalforge_/", var.collection_prefix)
      field      = one.fieldPath
      expires    = one.fieldPath == "expire_at" && var.retention_days > 0
    }
  }
}
