# The database, an index for each query, none for what no query asks, and the field by which documents expire.

resource "google_firestore_database" "captures" {
  count                   = var.create_database ? 1 : 0
  project                 = var.project_id
  name                    = local.firestore.database
  location_id             = local.firestore.location
  type                    = "FIRESTORE_NATIVE"
  database_edition        = "STANDARD" # the other edition bills a capture as several writes
  delete_protection_state = "DELETE_PROTECTION_ENABLED"
  deletion_policy         = "ABANDON"
  depends_on              = [google_project_service.used]
}

resource "google_firestore_index" "query" {
  for_each    = local.firestore.indexes
  project     = var.project_id
  database    = local.firestore.database
  collection  = each.value.collection
  query_scope = "COLLECTION"

  dynamic "fields" {
    for_each = each.value.fields
    content {
      field_path = fields.value.path
      order      = fields.value.order
    }
  }

  depends_on = [google_firestore_database.captures]
}

resource "google_firestore_field" "exempt" {
  for_each   = local.firestore.exemptions
  project    = var.project_id
  database   = local.firestore.database
  collection = each.value.collection
  field      = each.value.field

  index_config {}

  dynamic "ttl_config" {
    for_each = each.value.expires ? [1] : []
    content {}
  }

  depends_on = [google_firestore_database.captures]
}
