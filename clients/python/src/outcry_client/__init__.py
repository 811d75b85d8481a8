"""Client of the Outcry trading platform and consumer of its events.

Rooms, in reading order: `contract` (what was exported), `event` (judging a message), `memory`,
`link` and `consumer` (RabbitMQ); `errors`, `retry` and `client` (calls); `money`.
"""

from .client import Client
from .consumer import Consumer
from .contract import Contract, Violation
from .errors import CallError
from .event import Action, Event, Reason, UnknownTypes
from .link import ConsumerError
from .memory import Memory, RecentIds
from .money import decimal, money, text

__all__ = [
    "Action",
    "CallError",
    "Client",
    "Consumer",
    "ConsumerError",
    "Contract",
    "Event",
    "Memory",
    "Reason",
    "RecentIds",
    "UnknownTypes",
    "Violation",
    "decimal",
    "money",
    "text",
]
