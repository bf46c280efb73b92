"""SageMakerPublicHub: AWS's own hub, here with the models that JumpStart offers. It can be read and not be changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sagewright.jumpstart import hub_document
from sagewright.jumpstart.bucket import MODIFIED
from sagewright.jumpstart.offers import Offer, offers
from sagewright.kernel.engine import Engine
from sagewright.kernel.listing import page_limit
from sagewright.kernel.operation import Context, Handler
from sagewright.kernel.paging import window
from sagewright.store.rows import Document
from sagewright.wire.errors import Fault

NAME = "SageMakerPublicHub"
_MODEL = "Model"


class PublicHub:
    """Answers for this hub; for every other one the handlers it was given do."""

    def __init__(self, engine: Engine) -> None:
        self._tokens = engine.tokens

    def before(self, others: Mapping[str, Handler]) -> dict[str, Handler]:
        """The operations on hubs and their contents: these first, the others for other hubs."""
        own: dict[str, Callable[[Context, Document], Document]] = {
            "DescribeHub": self._describe_hub,
            "DescribeHubContent": self._describe,
            "ListHubContents": self._list,
            "ListHubContentVersions": self._versions,
        }
        return {name: _either(own.get(name, _refuse), handler) for name, handler in others.items()}

    def _describe_hub(self, context: Context, request: Document) -> Document:
        return {
            "HubName": NAME,
            "HubArn": _hub(context),
            "HubDisplayName": "SageMaker Public Hub",
            "HubDescription": "The models of JumpStart that this server can train and deploy",
            "HubStatus": "InService",
            "CreationTime": float(MODIFIED),
            "LastModifiedTime": float(MODIFIED),
        }

    def _describe(self, context: Context, request: Document) -> Document:
        offer = _find(request)
        if request.get("HubContentVersion", offer.model.version) != offer.model.version:
            raise _absent(request)
        return {
            **_summary(context, offer),
            "HubName": NAME,
            "HubArn": _hub(context),
            "HubContentMarkdown": f"{offer.manifest.title}: {offer.manifest.documentation[0]}",
            "HubContentDocument": hub_document.text(offer, context.world.region),
            "HubContentDependencies": [],
            "LastModifiedTime": float(MODIFIED),
        }

    def _list(self, context: Context, request: Document) -> Document:
        part = request.get("NameContains", "").lower()
        wanted = [offer for offer in offers() if part in offer.model.id and request["HubContentType"] == _MODEL]
        descending = request.get("SortOrder", "Descending") == "Descending"
        after = self._tokens.read(context.world, "ListHubContents", request)
        key = "HubContentName"
        found = [_summary(context, offer) for offer in wanted]
        page, last = window(found, lambda item: (item[key], item[key]), after, descending, page_limit(request))
        answer: Document = {"HubContentSummaries": page}
        if last is not None:
            answer["NextToken"] = self._tokens.make(context.world, "ListHubContents", request, last)
        return answer

    def _versions(self, context: Context, request: Document) -> Document:
        return {"HubContentSummaries": [_summary(context, _find(request))]}


def _either(own: Callable[[Context, Document], Document], other: Handler) -> Handler:
    async def handle(context: Context, request: Document) -> Document:
        hub = str(request.get("HubName", ""))
        if hub.rpartition("/")[2] == NAME and (hub == NAME or hub.endswith(f":aws:hub/{NAME}")):
            return own(context, request)
        return await other(context, request)

    return handle


def _refuse(context: Context, request: Document) -> Document:
    raise Fault("AccessDeniedException", f"User: {context.caller.arn} may not change the hub {NAME}", 403)


def _find(request: Document) -> Offer:
    name, kind = request["HubContentName"], request["HubContentType"]
    found = next((offer for offer in offers() if offer.model.id == name and kind == _MODEL), None)
    if found is None:
        raise _absent(request)
    return found


def _absent(request: Document) -> Fault:
    version = f"/{request['HubContentVersion']}" if "HubContentVersion" in request else ""
    path = f"{NAME}/{request['HubContentType']}/{request['HubContentName']}{version}"
    return Fault("ResourceNotFound", f"HubContent {path} does not exist.", 404)


def _summary(context: Context, offer: Offer) -> Document:
    model = offer.model
    return {
        "HubContentName": model.id,
        "HubContentArn": f"{_arn(context)}:hub-content/{NAME}/{_MODEL}/{model.id}/{model.version}",
        "HubContentVersion": model.version,
        "HubContentType": _MODEL,
        "DocumentSchemaVersion": hub_document.SCHEMA_VERSION,
        "HubContentDisplayName": model.title or offer.manifest.title,
        "HubContentDescription": offer.manifest.title,
        "SupportStatus": "Supported",
        "HubContentSearchKeywords": hub_document.keywords(offer),
        "HubContentStatus": "Available",
        "CreationTime": float(MODIFIED),
    }


def _hub(context: Context) -> str:
    return f"{_arn(context)}:hub/{NAME}"


def _arn(context: Context) -> str:
    """Its owner is AWS, not the caller's account."""
    partition = "aws-cn" if context.world.region.startswith("cn-") else "aws"
    return f"arn:{partition}:sagemaker:{context.world.region}:aws"
