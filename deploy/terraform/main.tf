# EvalForge on Google Cloud. Everything that can be known without Google is decided, checked and tested in plan/.

module "plan" {
  source               = "./plan"
  project_id           = var.project_id
  region               = var.region
  image                = var.image
  name                 = var.name
  schedule             = var.schedule
  run_deadline_seconds = var.run_deadline_seconds
  firestore_location   = var.firestore_location
  database             = var.database
  collection_prefix    = var.collection_prefix
  retention_days       = var.retention_days
  concurrency          = var.concurrency
  memory               = var.memory
  ingress              = var.ingress
  dd_site              = var.dd_site
  settings             = var.settings
  secret_versions      = var.secret_versions
  silent_minutes       = var.silent_minutes
}

locals {
  service    = module.plan.service
  scheduler  = module.plan.scheduler
  secrets    = module.plan.secrets
  firestore  = module.plan.firestore
  monitoring = module.plan.monitoring
}

resource "google_project_service" "used" {
  for_each = toset([
    "cloudscheduler.googleapis.com",
    "firestore.googleapis.com",
    "iam.googleapis.com",
    "logging.googleapis.com",
    "monitoring.googleapis.com",
    "run.googleapis.com",
    "secretmanager.googleapis.com",
  ])
  project            = var.project_id
  service            = each.value
  disable_on_destroy = false
}
