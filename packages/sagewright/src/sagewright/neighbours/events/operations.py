"""The operations of service ``events``: rules and their targets on the default bus, and events of one's own.

What differs: one bus, targets are log groups, rules have patterns and no schedules. Everything else is refused in words.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeVar

import orjson

from sagewright.base.matching import Test
from sagewright.kernel.operation import Context
from sagewright.neighbours.events import bus
from sagewright.neighbours.events.pattern import BadPatternError, compile_pattern
from sagewright.neighbours.log_groups import name_in
from sagewright.neighbours.requests import Handlers, make_marker, read_marker, refuse
from sagewright.signals import logs
from sagewright.store.database import Store, Transaction
from sagewright.store.rows import Document, Resource
from sagewright.wire.errors import Fault, validation

Item = TypeVar("Item")

MOST_TARGETS = 5
"""Of a rule (EventBridge quotas)."""
_PAGE = 100
_SHOWN = ("Name", "EventPattern", "State", "Description", "RoleArn")
_EVENT_MEMBERS = ("id", "account", "source", "time", "region", "resources", "detail-type")


class Events:
    """Rules are rows whose spec also holds their targets."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def operations(self) -> Handlers:
        """Handlers by operation."""
        return {
            "PutRule": self.put_rule,
            "DescribeRule": self.describe_rule,
            "DeleteRule": self.delete_rule,
            "EnableRule": self.enable_rule,
            "DisableRule": self.disable_rule,
            "ListRules": self.list_rules,
            "ListRuleNamesByTarget": self.list_rule_names_by_target,
            "PutTargets": self.put_targets,
            "RemoveTargets": self.remove_targets,
            "ListTargetsByRule": self.list_targets_by_rule,
            "PutEvents": self.put_events,
            "TestEventPattern": self.test_event_pattern,
        }

    async def put_rule(self, context: Context, request: Document) -> Document:
        """PutRule: a new one, or all of an old one but its targets and tags."""
        _check_bus(request)
        refuse(request, "ValidationException", "ScheduleExpression")
        if "EventPattern" not in request:
            raise validation("Parameter(s) EventPattern or ScheduleExpression must be specified.")
        _pattern(request["EventPattern"])
        spec = {name: request[name] for name in _SHOWN if name in request}
        tags = {tag["Key"]: tag["Value"] for tag in request.get("Tags", [])}

        def work(transaction: Transaction) -> Document:
            known = transaction.resources.get(context.world, bus.RULE, request["Name"])
            if known is not None:
                kept = {**spec, "Targets": known.spec.get("Targets", [])}
                transaction.resources.save(replace(known, spec=kept, modified=context.now))
                return {"RuleArn": known.arn}
            if len(bus.rules(transaction, context.world)) >= bus.MOST_RULES:
                raise Fault("LimitExceededException", "The requested resource exceeds the maximum number allowed.")
            rule = transaction.resources.insert(_new(context, spec))
            transaction.tags.set(rule.arn, tags)
            return {"RuleArn": rule.arn}

        return await self._store.write(work)

    async def describe_rule(self, context: Context, request: Document) -> Document:
        """DescribeRule."""
        rule = await self._store.read(lambda transaction: _found(transaction, context, request, "Name"))
        return {**_described(rule), "CreatedBy": context.world.account}

    async def delete_rule(self, context: Context, request: Document) -> Document:
        """DeleteRule: one without targets; one that is not there is deleted already."""
        _check_bus(request)

        def work(transaction: Transaction) -> Document:
            rule = transaction.resources.get(context.world, bus.RULE, request["Name"])
            if rule is not None and rule.spec.get("Targets"):
                raise validation("Rule can't be deleted since it has targets.")
            if rule is not None:
                transaction.resources.delete(rule)
            return {}

        return await self._store.write(work)

    async def enable_rule(self, context: Context, request: Document) -> Document:
        """EnableRule."""
        return await self._set(context, request, bus.ENABLED)

    async def disable_rule(self, context: Context, request: Document) -> Document:
        """DisableRule."""
        return await self._set(context, request, bus.DISABLED)

    async def list_rules(self, context: Context, request: Document) -> Document:
        """ListRules, by name."""
        _check_bus(request)
        found = await self._store.read(lambda transaction: bus.rules(transaction, context.world))
        prefix = request.get("NamePrefix", "")
        page, more = _page([rule for rule in found if rule.key.startswith(prefix)], request)
        return {"Rules": [_described(rule) for rule in page], **more}

    async def list_rule_names_by_target(self, context: Context, request: Document) -> Document:
        """ListRuleNamesByTarget."""
        _check_bus(request)
        found = await self._store.read(lambda transaction: bus.rules(transaction, context.world))
        arn = request["TargetArn"]
        names = [rule.key for rule in found if any(target["Arn"] == arn for target in rule.spec.get("Targets", []))]
        page, more = _page(names, request)
        return {"RuleNames": page, **more}

    async def put_targets(self, context: Context, request: Document) -> Document:
        """PutTargets: new ones and those with a known Id."""
        for target in request["Targets"]:
            _check_target(target)

        def work(transaction: Transaction) -> Document:
            rule = _found(transaction, context, request, "Rule")
            targets = {target["Id"]: target for target in rule.spec.get("Targets", [])}
            targets |= {target["Id"]: target for target in request["Targets"]}
            if len(targets) > MOST_TARGETS:
                raise Fault("LimitExceededException", "The requested resource exceeds the maximum number allowed.")
            _save_targets(transaction, rule, list(targets.values()), context.now)
            return {"FailedEntryCount": 0, "FailedEntries": []}

        return await self._store.write(work)

    async def remove_targets(self, context: Context, request: Document) -> Document:
        """RemoveTargets."""

        def work(transaction: Transaction) -> Document:
            rule = _found(transaction, context, request, "Rule")
            known = {target["Id"]: target for target in rule.spec.get("Targets", [])}
            missing = [name for name in request["Ids"] if name not in known]
            left = [target for name, target in known.items() if name not in request["Ids"]]
            _save_targets(transaction, rule, left, context.now)
            failed = [
                {
                    "TargetId": name,
                    "ErrorCode": "ResourceNotFoundException",
                    "ErrorMessage": f"Rule {rule.key} does not have target(s) {name}",
                }
                for name in missing
            ]
            return {"FailedEntryCount": len(failed), "FailedEntries": failed}

        return await self._store.write(work)

    async def list_targets_by_rule(self, context: Context, request: Document) -> Document:
        """ListTargetsByRule."""
        rule = await self._store.read(lambda transaction: _found(transaction, context, request, "Rule"))
        page, more = _page(rule.spec.get("Targets", []), request)
        return {"Targets": page, **more}

    async def put_events(self, context: Context, request: Document) -> Document:
        """PutEvents: each entry by itself; what is wrong with one is its answer."""
        refuse(request, "ValidationException", "EndpointId")

        def work(transaction: Transaction) -> Document:
            answers = [_put(transaction, context, entry) for entry in request["Entries"]]
            return {"FailedEntryCount": sum("ErrorCode" in answer for answer in answers), "Entries": answers}

        return await self._store.write(work)

    async def test_event_pattern(self, context: Context, request: Document) -> Document:
        """TestEventPattern: the event needs the members that every event has."""
        test = _pattern(request["EventPattern"])
        try:
            event = json.loads(request["Event"])
        except (ValueError, RecursionError) as error:
            raise validation("Parameter Event is not valid.") from error
        if not isinstance(event, dict) or any(name not in event for name in _EVENT_MEMBERS):
            raise validation("Parameter Event is not valid.")
        return {"Result": test(event)}

    async def _set(self, context: Context, request: Document, state: str) -> Document:
        def work(transaction: Transaction) -> Document:
            rule = _found(transaction, context, request, "Name")
            transaction.resources.save(replace(rule, spec={**rule.spec, "State": state}, modified=context.now))
            return {}

        return await self._store.write(work)


def _new(context: Context, spec: Document) -> Resource:
    world, name = context.world, spec["Name"]
    arn = f"arn:aws:events:{world.region}:{world.account}:rule/{name}"
    filled = {"State": bus.ENABLED, **spec}
    return Resource(world, bus.RULE, name, arn, name, spec=filled, created=context.now, modified=context.now)


def _found(transaction: Transaction, context: Context, request: Document, member: str) -> Resource:
    _check_bus(request)
    rule = transaction.resources.get(context.world, bus.RULE, request[member])
    if rule is None:
        raise Fault("ResourceNotFoundException", f"Rule {request[member]} does not exist on EventBus {bus.BUS}.")
    return rule


def _described(rule: Resource) -> Document:
    return {"Arn": rule.arn, "EventBusName": bus.BUS, **{name: rule.spec[name] for name in _SHOWN if name in rule.spec}}


def _check_bus(request: Document) -> None:
    name = request.get("EventBusName", bus.BUS)
    if name != bus.BUS and not name.endswith(f":event-bus/{bus.BUS}"):
        raise Fault("ResourceNotFoundException", f"Event bus {name} does not exist.")


def _check_target(target: Document) -> None:
    others = sorted(set(target) - {"Id", "Arn", "RoleArn", "Input"})
    if others:
        raise validation(f"Sagewright does not support the parameter {others[0]} of a target.")
    if ":logs:" not in target["Arn"]:
        raise validation(f"Sagewright delivers events to log groups only; {target['Arn']} is none.")
    name_in(target["Arn"])


def _save_targets(transaction: Transaction, rule: Resource, targets: list[Document], now: float) -> None:
    transaction.resources.save(replace(rule, spec={**rule.spec, "Targets": targets}, modified=now))
    for target in targets:
        logs.create_group(transaction, rule.world, name_in(target["Arn"]), int(now * 1000))


def _put(transaction: Transaction, context: Context, entry: Document) -> Document:
    for member in ("Source", "DetailType", "Detail"):
        if not entry.get(member):
            return _refused("InvalidArgument", f"Parameter {member} is not valid. Reason: {member} is a required argument.")
    if entry["Source"].startswith("aws."):
        return _refused("NotAuthorizedForSourceException", "Not authorized for the source.")
    if entry.get("EventBusName", bus.BUS) != bus.BUS:
        return _refused("InvalidArgument", f"Event bus {entry['EventBusName']} does not exist.")
    try:
        detail = orjson.loads(entry["Detail"])
    except orjson.JSONDecodeError:
        detail = None
    if not isinstance(detail, dict):
        return _refused("MalformedDetail", "Detail is malformed.")
    at = float(entry.get("Time", context.now))
    sent = bus.event(context.world, entry["Source"], entry["DetailType"], detail, entry.get("Resources", []), at)
    bus.send(transaction, context.world, sent, context.now)
    return {"EventId": sent["id"]}


def _refused(code: str, message: str) -> Document:
    return {"ErrorCode": code, "ErrorMessage": message}


def _pattern(text: str) -> Test:
    try:
        return compile_pattern(text)
    except BadPatternError as error:
        raise Fault("InvalidEventPatternException", str(error)) from error


def _page(items: Sequence[Item], request: Document) -> tuple[list[Item], dict[str, Any]]:
    """From ``NextToken`` on, ``Limit`` at most."""
    start = 0
    if "NextToken" in request:
        (text,) = read_marker(request["NextToken"], 1, validation("Parameter NextToken is not valid."))
        start = int(text) if text.isdigit() else 0
    end = start + request.get("Limit", _PAGE)
    return list(items[start:end]), {"NextToken": make_marker([str(end)])} if end < len(items) else {}
