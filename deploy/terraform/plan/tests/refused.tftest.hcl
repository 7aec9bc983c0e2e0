# What somebody might well write, and is refused with one line before anything is made.

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

run "schedule_refused_1" {
  command = plan
  variables {
    schedule = "*/15 * * *"
  }
  expect_failures = [var.schedule]
}

run "schedule_refused_2" {
  command = plan
  variables {
    schedule = "60 * * * *"
  }
  expect_failures = [var.schedule]
}

run "schedule_refused_3" {
  command = plan
  variables {
    schedule = "* 24 * * *"
  }
  expect_failures = [var.schedule]
}

run "schedule_refused_4" {
  command = plan
  variables {
    schedule = "every 15 minutes"
  }
  expect_failures = [var.schedule]
}

run "schedule_refused_5" {
  command = plan
  variables {
    schedule = "* * 0 * *"
  }
  expect_failures = [var.schedule]
}

run "schedule_refused_6" {
  command = plan
  variables {
    schedule = "* * * 13 *"
  }
  expect_failures = [var.schedule]
}

run "schedule_refused_7" {
  command = plan
  variables {
    schedule = "* * * * 8"
  }
  expect_failures = [var.schedule]
}

run "schedule_refused_8" {
  command = plan
  variables {
    schedule = "*/0 * * * *"
  }
  expect_failures = [var.schedule]
}

run "schedule_refused_9" {
  command = plan
  variables {
    schedule = " * * * * *"
  }
  expect_failures = [var.schedule]
}

run "project_id_refused_1" {
  command = plan
  variables {
    project_id = "My-Project"
  }
  expect_failures = [var.project_id]
}

run "project_id_refused_2" {
  command = plan
  variables {
    project_id = "p"
  }
  expect_failures = [var.project_id]
}

run "region_refused_1" {
  command = plan
  variables {
    region = "europe"
  }
  expect_failures = [var.region]
}

run "region_refused_2" {
  command = plan
  variables {
    region = "europe-west1-b"
  }
  expect_failures = [var.region]
}

run "image_refused_1" {
  command = plan
  variables {
    image = "evalforge"
  }
  expect_failures = [var.image]
}

run "image_refused_2" {
  command = plan
  variables {
    image = "Registry/Name:tag"
  }
  expect_failures = [var.image]
}

run "name_refused_1" {
  command = plan
  variables {
    name = "e"
  }
  expect_failures = [var.name]
}

run "name_refused_2" {
  command = plan
  variables {
    name = "Evalforge"
  }
  expect_failures = [var.name]
}

run "name_refused_3" {
  command = plan
  variables {
    name = "a-name-that-is-too-long-for-an-account"
  }
  expect_failures = [var.name]
}

run "run_deadline_seconds_refused_1" {
  command = plan
  variables {
    run_deadline_seconds = 900
  }
  expect_failures = [var.run_deadline_seconds]
}

run "run_deadline_seconds_refused_2" {
  command = plan
  variables {
    run_deadline_seconds = 30
  }
  expect_failures = [var.run_deadline_seconds]
}

run "run_deadline_seconds_refused_3" {
  command = plan
  variables {
    run_deadline_seconds = 100.5
  }
  expect_failures = [var.run_deadline_seconds]
}

run "firestore_location_refused_1" {
  command = plan
  variables {
    firestore_location = "europe"
  }
  expect_failures = [var.firestore_location]
}

run "database_refused_1" {
  command = plan
  variables {
    database = "default!"
  }
  expect_failures = [var.database]
}

run "database_refused_2" {
  command = plan
  variables {
    database = "abc"
  }
  expect_failures = [var.database]
}

run "collection_prefix_refused_1" {
  command = plan
  variables {
    collection_prefix = "__x"
  }
  expect_failures = [var.collection_prefix]
}

run "collection_prefix_refused_2" {
  command = plan
  variables {
    collection_prefix = "a b"
  }
  expect_failures = [var.collection_prefix]
}

run "retention_days_refused_1" {
  command = plan
  variables {
    retention_days = 1
  }
  expect_failures = [var.retention_days]
}

run "retention_days_refused_2" {
  command = plan
  variables {
    retention_days = 7.5
  }
  expect_failures = [var.retention_days]
}

run "retention_days_refused_3" {
  command = plan
  variables {
    retention_days = -1
  }
  expect_failures = [var.retention_days]
}

run "concurrency_refused_1" {
  command = plan
  variables {
    concurrency = 1
  }
  expect_failures = [var.concurrency]
}

run "concurrency_refused_2" {
  command = plan
  variables {
    concurrency = 1001
  }
  expect_failures = [var.concurrency]
}

run "memory_refused_1" {
  command = plan
  variables {
    memory = "256Mi"
  }
  expect_failures = [var.memory]
}

run "memory_refused_2" {
  command = plan
  variables {
    memory = "8Gi"
  }
  expect_failures = [var.memory]
}

run "ingress_refused_1" {
  command = plan
  variables {
    ingress = "all"
  }
  expect_failures = [var.ingress]
}

run "dd_site_refused_1" {
  command = plan
  variables {
    dd_site = "https://app.datadoghq.eu"
  }
  expect_failures = [var.dd_site]
}

run "settings_refused_1" {
  command = plan
  variables {
    settings = { DD_API_KEY = "x" }
  }
  expect_failures = [var.settings]
}

run "settings_refused_2" {
  command = plan
  variables {
    settings = { EVALFORGE_AUTH = "none" }
  }
  expect_failures = [var.settings]
}

run "secret_versions_refused_1" {
  command = plan
  variables {
    secret_versions = { hash-key = "newest" }
  }
  expect_failures = [var.secret_versions]
}

run "secret_versions_refused_2" {
  command = plan
  variables {
    secret_versions = { app-key = "1" }
  }
  expect_failures = [var.secret_versions]
}

run "silent_minutes_refused_1" {
  command = plan
  variables {
    silent_minutes = 15
  }
  expect_failures = [var.silent_minutes]
}

run "silent_minutes_refused_2" {
  command = plan
  variables {
    silent_minutes = 5000
  }
  expect_failures = [var.silent_minutes]
}
