"""The program: one line of JSON for each thing it has seen."""

import argparse
import asyncio
import json
import logging
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from . import checking, consuming, trading
from .client import ADDRESS
from .errors import CallError
from .link import ConsumerError, LinkBroken

WITHIN_SECONDS = 60.0
"""For messages that are waited for, if nothing else is said."""


def main() -> None:
    """Runs one command; exits 0 when all went well."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s")
    # They tell of each lost connection with a stack; the consumer says it in a line.
    for name in ("aio_pika", "aiormq"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    arguments = _parser().parse_args()
    try:
        ok = asyncio.run(arguments.command(arguments))
    except TimeoutError:
        ok = _failed("not everything came in time")
    except (CallError, ConsumerError, LinkBroken, OSError, ValueError) as error:
        ok = _failed(str(error))
    except KeyboardInterrupt:
        ok = False
    sys.exit(0 if ok else 1)


def show(line: Mapping[str, Any]) -> None:
    """Prints one thing that was seen."""
    print(json.dumps(line, ensure_ascii=False, separators=(",", ":")), flush=True)


def _failed(message: str) -> bool:
    print(message, file=sys.stderr)
    return False


async def _parity(arguments: argparse.Namespace) -> bool:
    return checking.parity(arguments.file, show, _failed)


async def _golden(arguments: argparse.Namespace) -> bool:
    return checking.golden(arguments.folder, show, _failed)


async def _consume(arguments: argparse.Namespace) -> bool:
    url = _variable("OUTCRY_AMQP")
    async with asyncio.timeout(arguments.within):
        await consuming.consume(url, arguments.queue, arguments.topic, arguments.count, show)
    return True


async def _cloudevents(arguments: argparse.Namespace) -> bool:
    url = _variable("OUTCRY_AMQP")
    async with asyncio.timeout(arguments.within):
        await consuming.cloudevents(url, arguments.queue, arguments.topic, arguments.count, show)
    return True


async def _trade(arguments: argparse.Namespace) -> bool:
    address = os.environ.get("OUTCRY_ADDRESS") or ADDRESS
    who = (_variable("OUTCRY_EMAIL"), _variable("OUTCRY_PASSWORD"))
    show(await trading.trade(address, who, arguments.symbol, arguments.quantity, arguments.limit))
    return True


def _variable(name: str) -> str:
    value = os.environ.get(name)
    if not value:
        raise ValueError(f"set {name} in the environment")
    return value


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="outcry-client", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    trade = commands.add_parser("trade", help="sign in, buy, cancel, be refused")
    trade.set_defaults(command=_trade)
    trade.add_argument("--symbol", required=True)
    trade.add_argument("--quantity", type=int, default=1)
    trade.add_argument("--limit", help="price; at the market without")

    for name, command in (("consume", _consume), ("cloudevents", _cloudevents)):
        reader = commands.add_parser(name, help="settle messages of a queue")
        reader.set_defaults(command=command)
        reader.add_argument("--queue", required=True)
        reader.add_argument("--topic", required=True, nargs="+", action="extend")
        reader.add_argument("--count", required=True, type=_count)
        reader.add_argument("--within", type=float, default=WITHIN_SECONDS, metavar="SECONDS")

    parity = commands.add_parser("parity", help="validate the cases of a file")
    parity.set_defaults(command=_parity)
    parity.add_argument("file", type=Path)

    golden = commands.add_parser("golden", help="compare kept events with their JSON")
    golden.set_defaults(command=_golden)
    golden.add_argument("folder", type=Path)
    return parser


def _count(text: str) -> int:
    count = int(text)
    if count < 0:
        raise argparse.ArgumentTypeError("0 only makes the queues; no fewer can be settled")
    return count


if __name__ == "__main__":
    main()
