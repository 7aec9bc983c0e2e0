# Every value that somebody may choose, with what is accepted. Without a provider, so that it is tested as it is.

variable "project_id" {
  description = "The Google Cloud project."
  type        = string
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project_id))
    error_message = "project_id: 6 to 30 lower-case letters, digits and hyphens, beginning with a letter, such as my-project-1."
  }
}

variable "region" {
  description = "Where the service runs."
  type        = string
  validation {
    condition     = can(regex("^[a-z]+-[a-z]+[0-9]+$", var.region))
    error_message = "region: a region of Cloud Run such as europe-west1, not a zone and not a multi-region."
  }
}

variable "image" {
  description = "The image, by digest where a rollout must be repeatable."
  type        = string
  validation {
    condition     = can(regex("^[a-z0-9.-]+(:[0-9]+)?(/[a-z0-9._-]+)+(:[A-Za-z0-9_][A-Za-z0-9._-]{0,127})?(@sha256:[0-9a-f]{64})?$", var.image))
    error_message = "image: registry/path/name:tag or registry/path/name@sha256:digest."
  }
}

variable "name" {
  description = "What everything that is made is called."
  type        = string
  validation {
    # A service account's id has at most 30 characters, and the longest suffix is "-scheduler".
    condition     = can(regex("^[a-z][a-z0-9-]{2,18}[a-z0-9]$", var.name))
    error_message = "name: 4 to 20 lower-case letters, digits and hyphens, beginning with a letter and ending in no hyphen."
  }
}

variable "schedule" {
  description = "When runs start, as five fields of cron."
  type        = string
  validation {
    condition     = can(regex(local.cron, var.schedule))
    error_message = "schedule: five fields of cron (minute hour day month weekday) such as */15 * * * *."
  }
}

variable "run_deadline_seconds" {
  description = "When a run ends as partial by itself."
  type        = number
  validation {
    condition     = var.run_deadline_seconds == floor(var.run_deadline_seconds) && var.run_deadline_seconds >= 60 && var.run_deadline_seconds <= local.attempt_deadline_seconds - local.seconds_to_finish
    error_message = "run_deadline_seconds: a whole number from 60 to 840, so that a run reports before Cloud Scheduler gives it up after 900."
  }
}

variable "firestore_location" {
  description = "Where captures are stored."
  type        = string
  validation {
    condition     = can(regex("^([a-z]+-[a-z]+[0-9]+|nam[0-9]+|eur[0-9]+)$", var.firestore_location))
    error_message = "firestore_location: a region such as europe-west1, or a multi-region such as eur3 or nam5. It can never be changed."
  }
}

variable "database" {
  description = "The Firestore database."
  type        = string
  validation {
    condition     = can(regex("^(\\(default\\)|[a-z][a-z0-9-]{2,61}[a-z0-9])$", var.database))
    error_message = "database: (default), or 4 to 63 lower-case letters, digits and hyphens."
  }
}

variable "collection_prefix" {
  description = "What the names of all collections begin with."
  type        = string
  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,100}$", var.collection_prefix)) && !startswith(var.collection_prefix, "__")
    error_message = "collection_prefix: letters, digits, _ and -, at most 100, not beginning with __."
  }
}

variable "retention_days" {
  description = "After how many days captures and dead letters are deleted; 0 never."
  type        = number
  validation {
    # Below the longest look-back a deleted capture would be made anew, or be missed because its span is known.
    condition     = var.retention_days == 0 || (var.retention_days == floor(var.retention_days) && var.retention_days >= 7 && var.retention_days <= 3650)
    error_message = "retention_days: 0 (keep for ever), or a whole number from 7 to 3650."
  }
}

variable "concurrency" {
  description = "Requests at a time for one instance."
  type        = number
  validation {
    condition     = var.concurrency == floor(var.concurrency) && var.concurrency >= 8 && var.concurrency <= 1000
    error_message = "concurrency: a whole number from 8 to 1000: below 8 a long run keeps /health and duplicates waiting."
  }
}

variable "memory" {
  description = "Of one instance."
  type        = string
  validation {
    condition     = can(regex("^(51[2-9]|5[2-9][0-9]|[6-9][0-9]{2}|[0-9]{4})Mi$|^[1-4]Gi$", var.memory))
    error_message = "memory: at least 512Mi and at most 4Gi, which is what one CPU may have."
  }
}

variable "ingress" {
  description = "From where the service can be reached; Cloud Run's IAM decides who may call in any case."
  type        = string
  validation {
    condition     = contains(["INGRESS_TRAFFIC_ALL", "INGRESS_TRAFFIC_INTERNAL_ONLY"], var.ingress)
    error_message = "ingress: INGRESS_TRAFFIC_ALL or INGRESS_TRAFFIC_INTERNAL_ONLY."
  }
}

variable "dd_site" {
  description = "The Datadog site."
  type        = string
  validation {
    condition     = can(regex("^[a-z0-9-]+(\\.[a-z0-9-]+)+$", var.dd_site))
    error_message = "dd_site: a Datadog site such as datadoghq.eu or us5.datadoghq.com, without https:// and without app."
  }
}

variable "settings" {
  description = "More settings of EvalForge, by name, such as EVALFORGE_ML_APPS."
  type        = map(string)
  validation {
    condition     = alltrue([for name in keys(var.settings) : can(regex("^EVALFORGE_[A-Z_]+$", name))])
    error_message = "settings: names begin with EVALFORGE_; keys of Datadog belong into Secret Manager."
  }
  validation {
    condition     = length(setintersection(keys(var.settings), keys(local.fixed_settings))) == 0
    error_message = "settings: this configuration sets the store, the deadline, the retention, who may call and the keys itself; use its variables."
  }
}

variable "secret_versions" {
  description = "Which version of each secret is mounted."
  type        = map(string)
  validation {
    condition     = alltrue([for version in values(var.secret_versions) : can(regex("^(latest|[1-9][0-9]*)$", version))])
    error_message = "secret_versions: latest, or the number of a version."
  }
  validation {
    condition     = length(setsubtract(keys(var.secret_versions), keys(local.secret_files))) == 0
    error_message = "secret_versions: there are dd-api-key, dd-app-key and hash-key."
  }
}

variable "silent_minutes" {
  description = "How long without a complete run until somebody is told."
  type        = number
  validation {
    condition     = var.silent_minutes == floor(var.silent_minutes) && var.silent_minutes >= 30 && var.silent_minutes <= 1200
    error_message = "silent_minutes: a whole number from 30 to 1200, and more than twice the time between runs."
  }
}
