# `terraform test` needs no provider here, so that this runs everywhere terraform does.

variables {
  project_id           = "my-project-1"
  region               = "europe-west1"
  image                = "europe-west1-docker.pkg.dev/my-project-1/evalforge/evalforge:1"
  name                 = "evalforge"
  schedule             = "*/15 * * * *"
  run_deadline_seconds = 810
  firestore_location   = "eur3"
  database             = "(default)"
  collection_prefix    = "evalforge_"
  retention_days       = 0
  concurrency          = 20
  memory               = "512Mi"
  ingress              = "INGRESS_TRAFFIC_ALL"
  dd_site              = "datadoghq.eu"
  settings             = { EVALFORGE_ML_APPS = "support-bot" }
  secret_versions      = {}
  silent_minutes       = 45
}

run "limits_of_the_service" {
  command = plan
  assert {
    condition     = output.service.min_instances == 0 && output.service.max_instances == 1 && output.service.cpu == "1" && output.service.timeout == "900s" && output.service.concurrency >= 8
    error_message = "none to one instance of one CPU, 900 s a request, and room beside a long run"
  }
  assert {
    condition     = tonumber(output.service.settings.EVALFORGE_DEADLINE_SECONDS) + 60 <= tonumber(trimsuffix(output.scheduler.attempt_deadline, "s")) && output.scheduler.attempt_deadline == "900s"
    error_message = "a run ends by itself before Cloud Scheduler gives it up"
  }
  assert {
    condition     = output.service.settings.EVALFORGE_STORE == "firestore://my-project-1/(default)" && output.service.settings.EVALFORGE_AUTH == "cloud-run" && output.service.settings.EVALFORGE_ML_APPS == "support-bot"
    error_message = "the environment of the service"
  }
  assert {
    condition     = output.service.settings.DD_API_KEY_FILE == "/secrets/dd-api-key/key" && output.secrets.dd-api-key == { id = "evalforge-dd-api-key", version = "latest", folder = "/secrets/dd-api-key" }
    error_message = "keys are files, and those of Datadog the newest"
  }
  assert {
    condition     = output.secrets.hash-key.version == "1" && length(output.secrets) == 3
    error_message = "the hash key is the first until somebody says otherwise"
  }
}

run "names_of_another_deployment" {
  command = plan
  variables {
    name              = "traces-staging"
    collection_prefix = "staging_"
    secret_versions   = { hash-key = "3" }
  }
  assert {
    condition     = output.service.runtime_account == "traces-staging-runtime" && output.scheduler.account == "traces-staging-scheduler" && length(output.scheduler.account) <= 30
    error_message = "the accounts"
  }
  assert {
    condition     = alltrue([for one in concat(values(output.firestore.indexes), values(output.firestore.exemptions)) : startswith(one.collection, "staging_")])
    error_message = "the prefix of all collections"
  }
  assert {
    condition     = output.secrets.hash-key == { id = "traces-staging-hash-key", version = "3", folder = "/secrets/hash-key" }
    error_message = "the secret"
  }
  assert {
    condition     = alltrue([for metric in values(output.monitoring.metrics) : startswith(metric.name, "traces_staging_") && strcontains(metric.filter, "service_name=\"traces-staging\"")])
    error_message = "metrics of two services are told apart"
  }
}

run "nothing_expires_unless_asked" {
  command = plan
  assert {
    condition     = !anytrue([for one in values(output.firestore.exemptions) : one.expires]) && output.service.settings.EVALFORGE_RETENTION_DAYS == "0"
    error_message = "something expires"
  }
}

run "captures_and_dead_letters_expire_where_asked" {
  command = plan
  variables {
    retention_days = 90
  }
  assert {
    condition     = toset([for one in values(output.firestore.exemptions) : "${one.collection}.${one.field}" if one.expires]) == toset(["evalforge_raw_traces.expire_at", "evalforge_dead_letters.expire_at"])
    error_message = "what expires"
  }
  assert {
    condition     = output.service.settings.EVALFORGE_RETENTION_DAYS == "90"
    error_message = "the store is told, which writes the field"
  }
}

run "who_was_silent_is_told_of_even_if_it_never_spoke" {
  command = plan
  assert {
    condition     = strcontains(output.monitoring.alerts.never.query, "vector(0)") && output.monitoring.alerts.never.seconds == 2700 && output.monitoring.alerts.stopped.seconds == 0
    error_message = "the alerts"
  }
}

run "usual_schedules_are_taken" {
  command = plan
  variables {
    schedule = "0,30 8-18/2 * Jan-jun mon-5"
  }
}
