# The session, and what else is secret. Write-only arguments go to Secrets Manager and into no state and no plan.

locals {
  session_path = "${path.module}/scimsession"
  session_file = var.existing_secret_arn == null && fileexists(local.session_path)
  session_arn  = var.existing_secret_arn == null ? aws_secretsmanager_secret.scimsession[0].arn : var.existing_secret_arn

  # A file that is base64 already goes as it is: twice encoded, nothing can read it.
  session = sensitive(local.session_file ? (
    can(jsondecode(file(local.session_path))) ? filebase64(local.session_path) : trimspace(file(local.session_path))
  ) : "")
  session_fields = nonsensitive(toset(try(keys(jsondecode(base64decode(local.session))), [])))

  # Digits of a digest of a file full of random keys tell nothing about them.
  session_digest = local.session_file ? filesha256(local.session_path) : ""
  session_label  = substr(local.session_digest, 0, 16)
}

resource "aws_secretsmanager_secret" "scimsession" {
  count       = var.existing_secret_arn == null ? 1 : 0
  name_prefix = local.name
  description = "scimsession of the SCIM bridge, in base64"
  kms_key_id  = var.kms_key_arn

  # So that destroy deletes it. The session can be made anew at any time.
  recovery_window_in_days = 0

  lifecycle {
    precondition {
      condition     = local.session_file
      error_message = "There is no file scimsession in this folder. Copy yours here: cp <path>/scimsession ./ (scimbridge credentials new makes one). If it is in Secrets Manager already, set existing_secret_arn."
    }

    precondition {
      condition     = !local.session_file || length(local.session_fields) > 0
      error_message = "The file scimsession holds no scimsession, neither as JSON nor in base64. Copy it again, whole."
    }

    precondition {
      condition     = !local.session_file || length(local.session_fields) == 0 || contains(local.session_fields, "format")
      error_message = "The file scimsession is one of 1Password's, which only 1Password's bridge can use. Make one with scimbridge credentials new, copy it here, and give the identity provider the new bearer token."
    }
  }
}

moved {
  from = aws_secretsmanager_secret.scimsession
  to   = aws_secretsmanager_secret.scimsession[0]
}

moved {
  from = aws_secretsmanager_secret_version.scimsession
  to   = aws_secretsmanager_secret_version.scimsession[0]
}

resource "aws_secretsmanager_secret_version" "scimsession" {
  count                    = local.session_file ? 1 : 0
  secret_id                = aws_secretsmanager_secret.scimsession[0].id
  secret_string_wo         = local.session
  secret_string_wo_version = parseint(substr(local.session_digest, 0, 7), 16)
}

# Google Workspace, with the original's variables. This version of the bridge starts with them and does not use them.
locals {
  workspace      = var.google_workspace_actor != null
  workspace_path = "${path.module}/workspace-credentials.json"
  workspace_settings = base64encode(jsonencode({
    actor         = var.google_workspace_actor
    bridgeAddress = "https://${var.domain_name}"
  }))
  workspace_secrets = local.workspace ? {
    OP_WORKSPACE_CREDENTIALS = {
      value  = fileexists(local.workspace_path) ? filebase64(local.workspace_path) : ""
      digest = fileexists(local.workspace_path) ? filesha256(local.workspace_path) : "0000000"
    }
    OP_WORKSPACE_SETTINGS = {
      value  = local.workspace_settings
      digest = sha256(local.workspace_settings)
    }
  } : {}
}

resource "aws_secretsmanager_secret" "workspace" {
  for_each                = toset(local.workspace ? ["OP_WORKSPACE_CREDENTIALS", "OP_WORKSPACE_SETTINGS"] : [])
  name_prefix             = local.name
  description             = "${each.key} of the SCIM bridge, in base64"
  kms_key_id              = var.kms_key_arn
  recovery_window_in_days = 0

  lifecycle {
    precondition {
      condition     = fileexists(local.workspace_path)
      error_message = "google_workspace_actor is set, and there is no file workspace-credentials.json in this folder: the key of the Google service account. Copy it here, or take the variable away."
    }
  }
}

resource "aws_secretsmanager_secret_version" "workspace" {
  for_each                 = aws_secretsmanager_secret.workspace
  secret_id                = each.value.id
  secret_string_wo         = local.workspace_secrets[each.key].value
  secret_string_wo_version = parseint(substr(local.workspace_secrets[each.key].digest, 0, 7), 16)
}

check "google_workspace" {
  assert {
    condition     = !local.workspace
    error_message = "google_workspace_actor: this version of the bridge does not read from Google Workspace. OP_WORKSPACE_CREDENTIALS and OP_WORKSPACE_SETTINGS reach it and have no effect, and nobody is provisioned from there."
  }
}
