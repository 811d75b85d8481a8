"""A mail server for tests: keeps what it is given as files and misbehaves when told to.

Called with a folder, which holds `settings.json` and `behaviour`, and a port.
"""

import asyncio
import json
import os
import pathlib
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult

FOLDER = pathlib.Path(sys.argv[1])
PORT = int(sys.argv[2])
MAILS = FOLDER / "mails"


def keep(envelope):
    """Writes a mail under the next number; nobody sees half of one."""
    mail = {
        "from": envelope.mail_from,
        "to": envelope.rcpt_tos,
        "text": envelope.content.decode("utf-8", "replace"),
    }
    number = len(list(MAILS.glob("*.json"))) + 1
    draft = FOLDER / "draft"
    draft.write_text(json.dumps(mail))
    draft.rename(MAILS / f"{number:06}.json")


class Handler:
    async def handle_DATA(self, server, session, envelope):
        what, *rest = (FOLDER / "behaviour").read_text().split()
        if what == "answer":
            return f"{rest[0]} as told for {envelope.rcpt_tos[0]}"
        if what == "stall":
            await asyncio.sleep(3600)
        keep(envelope)
        if what == "cut":
            server.transport.abort()
        return "250 kept"


def authenticate(settings):
    def check(server, session, envelope, mechanism, data):
        given = (getattr(data, "login", b""), getattr(data, "password", b""))
        expected = (settings["user"].encode(), settings["password"].encode())
        # Not handled: the refusal is still to be sent.
        return AuthResult(success=given == expected, handled=False)

    return check


async def main():
    settings = json.loads((FOLDER / "settings.json").read_text())
    encryption = settings["encryption"]
    context = None
    if encryption != "none":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(FOLDER / "certificate.pem", FOLDER / "key.pem")
    has_login = bool(settings["user"])

    def conversation():
        return SMTP(
            Handler(),
            hostname="localhost",
            tls_context=context if encryption == "starttls" else None,
            require_starttls=encryption == "starttls",
            auth_required=has_login,
            auth_require_tls=False,
            authenticator=authenticate(settings) if has_login else None,
        )

    wrapped = context if encryption == "tls" else None
    server = await asyncio.get_running_loop().create_server(
        conversation, "127.0.0.1", PORT, ssl=wrapped
    )
    async with server:
        await server.serve_forever()


os.umask(0o077)
asyncio.run(main())
