"""The work of the benchmark's peers in Python: `python bench/peers/python <job> --key value …`."""

import argparse
import logging
import sys

import uvloop

from peers import aio_pika_consume, aio_pika_publish, faststream_consume, faststream_publish

JOBS = {
    "aio-pika-publish": aio_pika_publish.main,
    "aio-pika-consume": aio_pika_consume.main,
    "faststream-publish": faststream_publish.main,
    "faststream-consume": faststream_consume.main,
}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    jobs = parser.add_subparsers(dest="job", required=True)
    for name in JOBS:
        job = jobs.add_parser(name, allow_abbrev=False)
        job.add_argument("--amqp", required=True)
        job.add_argument("--count", type=int, required=True)
        if name.endswith("publish"):
            job.add_argument("--exchange", required=True)
            job.add_argument("--routing-key", required=True)
            job.add_argument("--body-bytes", type=int, required=True)
            job.add_argument("--in-flight", type=int, required=True)
        else:
            job.add_argument("--queue", required=True)
            job.add_argument("--postgres", required=True)
            job.add_argument("--prefetch", type=int, required=True)
    return parser.parse_args()


def main() -> int:
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    given = arguments()
    try:
        # FastStream's own runner takes uvloop where it is installed; aio-pika gets the same.
        uvloop.run(JOBS[given.job](given))
    except Exception:
        logging.exception("%s failed", given.job)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
