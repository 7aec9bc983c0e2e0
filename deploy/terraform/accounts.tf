# Two accounts, each with what it needs and no more: one that works, one that only starts it.

resource "google_service_account" "runtime" {
  project      = var.project_id
  account_id   = local.service.runtime_account
  display_name = "EvalForge: reads its secrets, reads and writes its Firestore database"
  depends_on   = [google_project_service.used]
}

resource "google_service_account" "scheduler" {
  project      = var.project_id
  account_id   = local.scheduler.account
  display_name = "EvalForge: starts runs, and may do nothing else"
  depends_on   = [google_project_service.used]
}

resource "google_project_iam_member" "store" {
  project = var.project_id
  role    = "roles/datastore.user"
  member  = google_service_account.runtime.member

  condition {
    title      = "${local.service.name} database only"
    expression = "resource.name == \"projects/${var.project_id}/databases/${local.firestore.database}\""
  }
}

resource "google_secret_manager_secret" "key" {
  for_each  = local.secrets
  project   = var.project_id
  secret_id = each.value.id

  replication {
    auto {}
  }

  depends_on = [google_project_service.used]
}

resource "google_secret_manager_secret_iam_member" "key" {
  for_each  = google_secret_manager_secret.key
  project   = var.project_id
  secret_id = each.value.secret_id
  role      = "roles/secretmanager.secretAccessor"
  member    = google_service_account.runtime.member
}

resource "google_cloud_run_v2_service_iam_member" "scheduler" {
  project  = var.project_id
  location = var.region
  name     = google_cloud_run_v2_service.evalforge.name
  role     = "roles/run.invoker"
  member   = google_service_account.scheduler.member
}
