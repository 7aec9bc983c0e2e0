# The service, the job that starts its runs, and the job for backfills. The same image, account, settings and secrets.

resource "google_cloud_run_v2_service" "evalforge" {
  project             = var.project_id
  location            = var.region
  name                = local.service.name
  ingress             = local.service.ingress
  deletion_protection = false # it keeps nothing

  template {
    service_account                  = google_service_account.runtime.email
    timeout                          = local.service.timeout
    max_instance_request_concurrency = local.service.concurrency
    execution_environment            = "EXECUTION_ENVIRONMENT_GEN2"

    scaling {
      min_instance_count = local.service.min_instances
      max_instance_count = local.service.max_instances
    }

    containers {
      image = var.image
      args  = ["serve", "--host", "0.0.0.0"]

      ports {
        container_port = 8080
      }

      resources {
        limits            = { cpu = local.service.cpu, memory = local.service.memory }
        cpu_idle          = true
        startup_cpu_boost = true
      }

      # That it listens is enough: /health asks Firestore, whose absence no restart mends.
      startup_probe {
        period_seconds    = 1
        timeout_seconds   = 1
        failure_threshold = 30
        tcp_socket {
          port = 8080
        }
      }

      dynamic "env" {
        for_each = local.service.settings
        content {
          name  = env.key
          value = env.value
        }
      }

      dynamic "volume_mounts" {
        for_each = local.secrets
        content {
          name       = volume_mounts.key
          mount_path = volume_mounts.value.folder
        }
      }
    }

    dynamic "volumes" {
      for_each = local.secrets
      content {
        name = volumes.key
        secret {
          secret = google_secret_manager_secret.key[volumes.key].secret_id
          items {
            version = volumes.value.version
            path    = "key"
          }
        }
      }
    }
  }

  depends_on = [
    google_firestore_field.exempt,
    google_firestore_index.query,
    google_project_iam_member.store,
    google_secret_manager_secret_iam_member.key,
  ]
}

resource "google_cloud_scheduler_job" "run" {
  project          = var.project_id
  region           = var.region
  name             = local.scheduler.name
  description      = "Starts a run of EvalForge"
  schedule         = local.scheduler.schedule
  time_zone        = local.scheduler.time_zone
  attempt_deadline = local.scheduler.attempt_deadline

  # Once more for an instance that could not be started; a second run at the same time is refused by the lease.
  retry_config {
    retry_count          = 1
    min_backoff_duration = "30s"
  }

  http_target {
    http_method = "POST"
    uri         = "${google_cloud_run_v2_service.evalforge.uri}${local.scheduler.path}"
    headers     = { "Content-Type" = "application/json" }
    body        = base64encode("{}")

    oidc_token {
      service_account_email = google_service_account.scheduler.email
      audience              = google_cloud_run_v2_service.evalforge.uri
    }
  }

  depends_on = [google_cloud_run_v2_service_iam_member.scheduler]
}

resource "google_cloud_run_v2_job" "backfill" {
  project             = var.project_id
  location            = var.region
  name                = local.service.job
  deletion_protection = false

  template {
    # One task at a time: all of them share one rate limit at Datadog.
    parallelism = 1
    task_count  = 1

    template {
      service_account = google_service_account.runtime.email
      timeout         = local.service.backfill_timeout
      max_retries     = 3

      containers {
        image = var.image
        args  = ["backfill"] # what to fetch is said when it is executed

        resources {
          limits = { cpu = local.service.cpu, memory = local.service.memory }
        }

        dynamic "env" {
          for_each = local.service.settings
          content {
            name  = env.key
            value = env.value
          }
        }

        dynamic "volume_mounts" {
          for_each = local.secrets
          content {
            name       = volume_mounts.key
            mount_path = volume_mounts.value.folder
          }
        }
      }

      dynamic "volumes" {
        for_each = local.secrets
        content {
          name = volumes.key
          secret {
            secret = google_secret_manager_secret.key[volumes.key].secret_id
            items {
              version = volumes.value.version
              path    = "key"
            }
          }
        }
      }
    }
  }

  depends_on = [google_secret_manager_secret_iam_member.key]
}
