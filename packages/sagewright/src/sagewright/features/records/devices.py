"""Devices of an edge fleet. Heartbeats and models come from their agents (features/edge/device_api.py)."""

from __future__ import annotations

from sagewright.features.records.fleet_report import report
from sagewright.features.records.versions import children
from sagewright.kernel.engine import Engine
from sagewright.kernel.listing import List
from sagewright.kernel.operation import Context, Handler
from sagewright.kernel.writing import change, insert, new_resource, tag_mapping
from sagewright.store.database import Transaction
from sagewright.store.rows import Document, Resource


class Devices:
    """Operations on Device, many at a time, all or none."""

    def __init__(self, engine: Engine) -> None:
        self._catalog, self._store = engine.catalog, engine.store
        self._kind, self._fleet = engine.catalog["Device"], engine.catalog["DeviceFleet"]
        self._list = List(engine.catalog, engine.store, self._kind, "ListDevices", engine.tokens, {"ModelName": _has_model})

    def handlers(self) -> dict[str, Handler]:
        """By operation name."""
        return {
            "ListDevices": self._list,
            "RegisterDevices": self.register,
            "DeregisterDevices": self.deregister,
            "UpdateDevices": self.update,
            "GetDeviceFleetReport": self.report,
        }

    async def register(self, context: Context, request: Document) -> Document:
        """Every device gets the request's tags."""
        tags = tag_mapping(request.get("Tags"))

        def work(transaction: Transaction) -> Document:
            fleet = self._catalog.find(transaction, context.world, self._fleet, request)
            for device in request["Devices"]:
                spec = {**device, "DeviceFleetName": fleet.name}
                row = new_resource(context, self._kind, spec)
                insert(transaction, self._catalog, row, tags)
            return {}

        return await self._store.write(work)

    async def deregister(self, context: Context, request: Document) -> Document:
        """A device that is not there does not matter (DOC declares no error)."""

        def work(transaction: Transaction) -> Document:
            fleet = self._catalog.find(transaction, context.world, self._fleet, request)
            for name in request["DeviceNames"]:
                row = transaction.resources.get(context.world, self._kind.name, f"{fleet.key}/{name}")
                if row is not None:
                    transaction.resources.delete(row)
            return {}

        return await self._store.write(work)

    async def update(self, context: Context, request: Document) -> Document:
        """Description and thing name of each device."""

        def work(transaction: Transaction) -> Document:
            for device in request["Devices"]:
                row = self._device(transaction, context, request["DeviceFleetName"], device["DeviceName"])
                change(transaction, context, self._kind, row, {**row.spec, **device})
            return {}

        return await self._store.write(work)

    async def report(self, context: Context, request: Document) -> Document:
        """GetDeviceFleetReport: what the fleet's heartbeats say."""

        def work(transaction: Transaction) -> Document:
            fleet = self._catalog.find(transaction, context.world, self._fleet, request)
            rows = children(transaction, fleet, self._kind.name)
            return {
                **{member: fleet.spec[member] for member in ("OutputConfig", "Description") if member in fleet.spec},
                "DeviceFleetArn": fleet.arn,
                "DeviceFleetName": fleet.name,
                "ReportGenerated": context.now,
                **report(rows, context.now),
            }

        return await self._store.read(work)

    def _device(self, transaction: Transaction, context: Context, fleet: str, name: str) -> Resource:
        return self._catalog.find(transaction, context.world, self._kind, {"DeviceFleetName": fleet, "DeviceName": name})


def _has_model(document: Document, name: str) -> bool:
    return any(model["ModelName"] == name for model in document.get("Models", []))
