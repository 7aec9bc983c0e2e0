output "url" {
  description = "The service. Callers need roles/run.invoker."
  value       = google_cloud_run_v2_service.evalforge.uri
}

output "secrets" {
  description = "Where the keys go: gcloud secrets versions add NAME --data-file=-"
  value       = { for key, secret in google_secret_manager_secret.key : key => secret.secret_id }
}

output "runtime_account" {
  description = "The account that the service works as."
  value       = google_service_account.runtime.email
}
