#!/usr/bin/env bash
# EvalForge on Google Cloud without Terraform: run it in a clone, in Cloud Shell or wherever gcloud is signed in.
#
#   PROJECT=my-project-1 REGION=europe-west1 DD_SITE=datadoghq.eu deploy/quickstart.sh
#
# It asks for Datadog's two keys, unless they are in Secret Manager already, and can be run again: what is there stays.
# It makes what deploy/terraform makes, but for alerts and metrics.
#
# PROJECT, REGION and DD_SITE it needs; these it can do without:
#   LOCATION        of the database, for good (default: REGION)
#   DATABASE        of Firestore (default: (default))
#   RETENTION_DAYS  how long captures are kept, 7 to 3650 (default: 0, for ever)
#   SETTINGS        more settings, with a comma before each, such as ,EVALFORGE_ML_APPS=support-bot
set -euo pipefail
if [ $# -gt 0 ]; then # it takes no arguments: --help, or any other, is answered with the text above
  sed -n '2,/^set /s/^# \{0,1\}//p' "$0"
  case $1 in -h | --help) exit 0 ;; *) exit 2 ;; esac
fi
cd "$(dirname "$0")/.."

: "${PROJECT:?the id of the Google Cloud project}"
: "${REGION:?where the service runs, such as europe-west1}"
: "${DD_SITE:?your Datadog site, such as datadoghq.com or datadoghq.eu}"
LOCATION=${LOCATION:-$REGION}
DATABASE=${DATABASE:-(default)}
SETTINGS=${SETTINGS:-}
RETENTION_DAYS=${RETENTION_DAYS:-0}
IMAGE=$REGION-docker.pkg.dev/$PROJECT/evalforge/evalforge
RUNTIME=evalforge-runtime@$PROJECT.iam.gserviceaccount.com
SCHEDULER=evalforge-scheduler@$PROJECT.iam.gserviceaccount.com

say() { printf '\n== %s\n' "$*"; }
quietly() { "$@" >/dev/null 2>&1; }

say "Services of Google Cloud"
gcloud services enable artifactregistry.googleapis.com cloudbuild.googleapis.com cloudscheduler.googleapis.com \
  firestore.googleapis.com iam.googleapis.com run.googleapis.com secretmanager.googleapis.com --project="$PROJECT"

say "Accounts: one that works, one that only starts it"
for account in evalforge-runtime evalforge-scheduler; do
  quietly gcloud iam service-accounts describe "$account@$PROJECT.iam.gserviceaccount.com" --project="$PROJECT" ||
    gcloud iam service-accounts create "$account" --project="$PROJECT"
done

say "Secrets"
secret() { # NAME PROMPT; an empty prompt: the value is made
  if ! quietly gcloud secrets versions describe latest --secret="$1" --project="$PROJECT"; then
    quietly gcloud secrets describe "$1" --project="$PROJECT" ||
      gcloud secrets create "$1" --replication-policy=automatic --project="$PROJECT"
    local value
    if [ -n "$2" ]; then read -rsp "$2: " value && echo; else value=$(openssl rand -hex 32); fi
    printf '%s' "$value" | gcloud secrets versions add "$1" --data-file=- --project="$PROJECT"
  fi
  gcloud secrets add-iam-policy-binding "$1" --member="serviceAccount:$RUNTIME" \
    --role=roles/secretmanager.secretAccessor --project="$PROJECT" --quiet >/dev/null
}
secret evalforge-dd-api-key "Datadog API key"
secret evalforge-dd-app-key "Datadog application key with llm_observability_read"
secret evalforge-hash-key ""

say "Firestore: database, indexes, exemptions"
quietly gcloud firestore databases describe --database="$DATABASE" --project="$PROJECT" ||
  gcloud firestore databases create --database="$DATABASE" --location="$LOCATION" --type=firestore-native \
    --delete-protection --project="$PROJECT"
gcloud projects add-iam-policy-binding "$PROJECT" --member="serviceAccount:$RUNTIME" --role=roles/datastore.user \
  --condition="title=evalforge-database,expression=resource.name==\"projects/$PROJECT/databases/$DATABASE\"" \
  --quiet >/dev/null
python3 - deploy/firestore.indexes.json <<'PYTHON' |
import json, sys
declared = json.load(open(sys.argv[1]))
for index in declared["indexes"]:
    fields = (f"{field['fieldPath']}:{field['order'].lower()}" for field in index["fields"])
    print("index", index["collectionGroup"], *fields)
for one in declared["fieldOverrides"]:
    print("exempt", one["collectionGroup"], one["fieldPath"])
PYTHON
  while read -r what collection fields; do
    if [ "$what" = index ]; then
      configs=()
      for field in $fields; do configs+=(--field-config="field-path=${field%%:*},order=${field##*:}"); done
      gcloud firestore indexes composite create --collection-group="$collection" --query-scope=collection \
        "${configs[@]}" --database="$DATABASE" --project="$PROJECT" --async --quiet </dev/null ||
        echo "(it is there already)"
    else
      gcloud firestore indexes fields update "$fields" --collection-group="$collection" --disable-indexes \
        --database="$DATABASE" --project="$PROJECT" --async --quiet </dev/null
    fi
  done
if [ "$RETENTION_DAYS" != 0 ]; then
  for collection in evalforge_raw_traces evalforge_dead_letters; do
    gcloud firestore fields ttls update expire_at --collection-group="$collection" --enable-ttl \
      --database="$DATABASE" --project="$PROJECT" --async --quiet
  done
fi

say "Image"
quietly gcloud artifacts repositories describe evalforge --location="$REGION" --project="$PROJECT" ||
  gcloud artifacts repositories create evalforge --repository-format=docker --location="$REGION" --project="$PROJECT"
gcloud builds submit . --tag="$IMAGE" --project="$PROJECT"

say "Service"
gcloud run deploy evalforge --image="$IMAGE" --region="$REGION" --project="$PROJECT" --service-account="$RUNTIME" \
  --no-allow-unauthenticated --min-instances=0 --max-instances=1 --concurrency=20 --cpu=1 --memory=512Mi \
  --timeout=900 --cpu-throttling --cpu-boost --execution-environment=gen2 --args=serve,--host,0.0.0.0 \
  --set-env-vars="DD_SITE=$DD_SITE,EVALFORGE_AUTH=cloud-run,EVALFORGE_STORE=firestore://$PROJECT/$DATABASE,FIRESTORE_COLLECTION_PREFIX=evalforge_,EVALFORGE_DEADLINE_SECONDS=810,EVALFORGE_RETENTION_DAYS=$RETENTION_DAYS,DD_API_KEY_FILE=/secrets/dd-api-key/key,DD_APP_KEY_FILE=/secrets/dd-app-key/key,EVALFORGE_HASH_KEY_FILE=/secrets/hash-key/key$SETTINGS" \
  --set-secrets="/secrets/dd-api-key/key=evalforge-dd-api-key:latest,/secrets/dd-app-key/key=evalforge-dd-app-key:latest,/secrets/hash-key/key=evalforge-hash-key:1"
gcloud run services add-iam-policy-binding evalforge --region="$REGION" --project="$PROJECT" \
  --member="serviceAccount:$SCHEDULER" --role=roles/run.invoker --quiet >/dev/null
URL=$(gcloud run services describe evalforge --region="$REGION" --project="$PROJECT" --format="value(status.url)")

say "A run every 15 minutes"
quietly gcloud scheduler jobs describe evalforge-run --location="$REGION" --project="$PROJECT" ||
  gcloud scheduler jobs create http evalforge-run --location="$REGION" --project="$PROJECT" \
    --schedule="*/15 * * * *" --time-zone=Etc/UTC --uri="$URL/ingestion/run-once" --http-method=post \
    --headers=Content-Type=application/json --message-body="{}" --attempt-deadline=900s \
    --max-retry-attempts=1 --min-backoff=30s \
    --oidc-service-account-email="$SCHEDULER" --oidc-token-audience="$URL"
gcloud scheduler jobs run evalforge-run --location="$REGION" --project="$PROJECT"

say "Done: the first run is on its way. What it does, and how the service is:"
cat <<EOF
gcloud run services logs read evalforge --region=$REGION --project=$PROJECT --limit=50
curl -sH "Authorization: Bearer \$(gcloud auth print-identity-token)" $URL/health
EOF
