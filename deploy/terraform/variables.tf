# Accepted values: plan/variables.tf, which refuses others with one line.

variable "project_id" {
  description = "The Google Cloud project."
  type        = string
}

variable "region" {
  description = "Where the service runs, such as europe-west1."
  type        = string
}

variable "image" {
  description = "The image, as REGION-docker.pkg.dev/PROJECT/REPOSITORY/evalforge@sha256:DIGEST."
  type        = string
}

variable "name" {
  description = "What everything that is made is called."
  type        = string
  default     = "evalforge"
}

variable "schedule" {
  description = "When runs start, as five fields of cron, in UTC."
  type        = string
  default     = "*/15 * * * *"
}

variable "run_deadline_seconds" {
  description = "When a run ends as partial by itself; Cloud Scheduler gives it up after 900."
  type        = number
  default     = 810
}

variable "firestore_location" {
  description = "Where captures are stored, such as europe-west1 or eur3; it can never be changed."
  type        = string
}

variable "database" {
  description = "The Firestore database."
  type        = string
  default     = "(default)"
}

variable "create_database" {
  description = "Whether to make the database; false where the project has it already."
  type        = bool
  default     = true
}

variable "collection_prefix" {
  description = "What the names of all collections begin with."
  type        = string
  default     = "evalforge_"
}

variable "retention_days" {
  description = "After how many days captures and dead letters are deleted; 0 never."
  type        = number
  default     = 0
}

variable "concurrency" {
  description = "Requests at a time for the one instance."
  type        = number
  default     = 20
}

variable "memory" {
  description = "Of the one instance."
  type        = string
  default     = "512Mi"
}

variable "ingress" {
  description = "From where the service can be reached; Cloud Run's IAM decides who may call in any case."
  type        = string
  default     = "INGRESS_TRAFFIC_ALL"
}

variable "dd_site" {
  description = "The Datadog site, such as datadoghq.eu."
  type        = string
  default     = "datadoghq.com"
}

variable "settings" {
  description = "More settings of EvalForge, by name, such as EVALFORGE_ML_APPS."
  type        = map(string)
  default     = {}
}

variable "secret_versions" {
  description = "Versions of dd-api-key, dd-app-key and hash-key, where not latest, latest and 1."
  type        = map(string)
  default     = {}
}

variable "silent_minutes" {
  description = "How long without a complete run until somebody is told."
  type        = number
  default     = 45
}

variable "notification_channels" {
  description = "Who is told: names of notification channels, as projects/PROJECT/notificationChannels/ID."
  type        = list(string)
  default     = []
}
