"""Domains, their users and spaces, images, notebooks' configurations and code repositories.

Sources: ACK = aws-controllers-k8s/sagemaker-controller generator.yaml; TF = terraform-provider-aws internal/service/sagemaker;
DOC = the operation's page in the SageMaker API reference; MODEL = botocore's sagemaker 2017-07-24.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sagewright.kernel.ids import lower_id
from sagewright.kernel.kind import Parent, Reference
from sagewright.kernel.operation import Context
from sagewright.kernel.quirks.wording import absent, in_use, invalid
from sagewright.store.rows import Document
from sagewright.wire.errors import validation


def domain_defaults(_: Context, spec: Document) -> Document:
    """DOC (CreateDomain): AppNetworkAccessType is PublicInternetOnly by default; every domain has a file system."""
    return {} if "AppNetworkAccessType" in spec else {"AppNetworkAccessType": "PublicInternetOnly"}


def space_summaries(_: Context, spec: Document) -> Document:
    """MODEL: ListSpaces shows extracts of the settings under names of their own."""
    settings, sharing, owner = (spec.get(m, {}) for m in ("SpaceSettings", "SpaceSharingSettings", "OwnershipSettings"))
    extracts = {
        "SpaceSettingsSummary": {m: settings[m] for m in ("AppType", "RemoteAccess") if m in settings},
        "SpaceSharingSettingsSummary": dict(sharing),
        "OwnershipSettingsSummary": dict(owner),
    }
    return {member: extract for member, extract in extracts.items() if extract}


def merge_settings(spec: Document, request: Document) -> Document:
    """DOC (UpdateDomain, UpdateUserProfile, UpdateSpace): settings that are not given stay; MODEL: domain settings have an update shape."""
    given = dict(request)
    if "DomainSettingsForUpdate" in given:
        given["DomainSettings"] = given.pop("DomainSettingsForUpdate")
    merged = dict(spec)
    for member, value in given.items():
        before = spec.get(member)
        merged[member] = {**before, **value} if isinstance(before, dict) and isinstance(value, dict) else value
    return merged


def remove_properties(spec: Document, request: Document) -> Document:
    """DOC (UpdateImage): DeleteProperties lists Description or DisplayName."""
    gone = set(request.get("DeleteProperties", ()))
    both = sorted(gone & request.keys())
    if both:
        raise validation(f"{both[0]} cannot be both updated and deleted.")
    kept = {member: value for member, value in spec.items() if member not in gone}
    return {**kept, **{member: value for member, value in request.items() if member != "DeleteProperties"}}


STUDIO: Mapping[str, Mapping[str, Any]] = {
    # DOC: DomainId d-xxxxxxxxxxxx is given by the platform. TF: ResourceNotFound.
    "Domain": {
        "new_id": lambda: f"d-{lower_id(12)}",
        "missing": absent("Domain {name} does not exist."),
        "fills": (domain_defaults,),
        "amend": merge_settings,
    },
    # DOC (DeleteDomain): the domain must be empty.
    "UserProfile": {
        "amend": merge_settings,
        "exists": in_use("User profile {name} already exists in the domain."),
        "parent": Parent(
            "Domain",
            "DomainId",
            wording=in_use("Unable to delete Domain {name} because UserProfile(s) are associated with it."),
        ),
    },
    # TF: "RecordNotFound" in the message, by ValidationException or ResourceNotFound.
    "Space": {
        "missing": absent("RecordNotFound: Space {name} does not exist."),
        "exists": in_use("Space {name} already exists in the domain."),
        "fills": (space_summaries,),
        "amend": merge_settings,
        "parent": Parent(
            "Domain", "DomainId", wording=in_use("Unable to delete Domain {name} because Space(s) are associated with it.")
        ),
    },
    # ACK, TF: "RecordNotFound". MODEL: the owner is a user profile or a space.
    "App": {
        "identity": ("DomainId", "UserProfileName", "SpaceName", "AppType", "AppName"),
        "missing": absent("RecordNotFound: App {name} does not exist."),
        "parent": Parent(
            "Domain", "DomainId", wording=in_use("Unable to delete Domain {name} because App(s) are associated with it.")
        ),
    },
    # DOC (DeleteImage): deletes the image and all versions of it. ACK: waiters want ResourceNotFound.
    "Image": {"exists": in_use("Image {name} already exists."), "amend": remove_properties},
    "ImageVersion": {
        "identity": ("ImageName", "Version"),
        "references": (Reference("ImageName", "Image"),),
        "parent": Parent("Image", "ImageName", orphans="cascade"),
        "aliases": {"VERSION": "Version"},
    },
    # ACK: starts with "Unable to describe Notebook Instance Lifecycle Config".
    "NotebookInstanceLifecycleConfig": {
        "missing": invalid("Unable to describe Notebook Instance Lifecycle Config '{arn}'. (Details: RecordNotFound)"),
        "exists": invalid("Unable to create Notebook Instance Lifecycle Config {arn}. (Details: it already exists.)"),
    },
    # TF: contains "Cannot find CodeRepository".
    "CodeRepository": {
        "missing": invalid('Cannot find CodeRepository: "{arn}"'),
        "exists": invalid('CodeRepository already exists: "{arn}"'),
    },
    # MODEL: AppTypeEquals filters StudioLifecycleConfigAppType.
    "StudioLifecycleConfig": {"aliases": {"AppType": "StudioLifecycleConfigAppType"}},
}
