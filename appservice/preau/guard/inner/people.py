"""The inner parts of Synapse through which people reach each other outside of rooms' events: no hook is asked there.

==============================================  ===================================================================
part (wrapped on the instance, or called)       why, and what is lost without it
==============================================  ===================================================================
``ProfileHandler.dispatch_set_profile_field``   The only hook comes after the change. Synapse's settings close changes
``…dispatch_delete_profile_field``              of a name and an avatar that are set, not the first avatar and not
                                                custom fields: without it those are open.
``DeviceMessageHandler.send_device_message``    To-device messages, which no room and no table sees. Without it they
                                                are open.
``FederationHandlerRegistry.edu_handlers``      The same from other homeservers.
``…on_direct_to_device_edu``
``AccountDataHandler.add_account_data_for_      The only hook comes after the change, and in one process. Without it
user``                                          people can hide what the school announces.
``IdentityHandler.bind_threepid``               ``enable_3pid_changes`` does not close these two: Synapse calls whatever
``…try_unbind_threepid``                        identity server a client names. Without it they are open.
``DeactivateAccountHandler.deactivate_account``  The hooks for these two say yes or no, and people would read Synapse's
``RoomMemberHandler.do_3pid_invite``            English words. Without it they do.
``store.get_media_uploaded_size_for_user``      The hook for a day's total is asked when the file is stored, and a
                                                refusal leaves it on the disk for ever. Without it: that hook.
``config.media.max_upload_size``                What clients are told is the lower of Synapse's bound and ours.
                                                Without it they are told ours.
``ReadableFileWrapper.path``                      The public way hands a file out from its start only, and a document is
                                                told by what stands at its end. Without it no file is accepted.
``current_context().request.requester``         The hook for a file is not told who sends it. It serves to choose the
                                                language of a refusal. Without it: French.
==============================================  ===================================================================
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from importlib import import_module
from typing import Any, Final, TypeAlias

AsExpected: TypeAlias = Callable[[Any, str, tuple[str, ...]], bool]
"""Whether an owner has a method that takes exactly these parameters; notes it as missing if not."""

ProfileJudge: TypeAlias = Callable[[str, bool], Awaitable[None]]
"""Given who asks and whether as an administrator: passes, or raises `SynapseError`. The judges below do too."""

MessageJudge: TypeAlias = Callable[[str, Any], Awaitable[None]]
"""Given the sender and the messages, by receiver, then device; they may have any shape, as the client sent them."""

AccountDataJudge: TypeAlias = Callable[[str, str, Any], Awaitable[None]]
"""Given whose, of which type, and the new content."""

UserJudge: TypeAlias = Callable[[str], Awaitable[None]]
"""Given whose account an identity server would be told of, who closes their own, or who invites an address."""

DeliveryFilter: TypeAlias = Callable[[str, Any], bool]
"""Given the homeserver and the content, of any shape, of an ephemeral message: whether it is delivered."""

_DOORS: Final = {
    "dispatch_set_profile_field": "custom fields and first pictures of profiles",
    "dispatch_delete_profile_field": "custom fields and first pictures of profiles",
    "send_device_message": "messages to devices",
    "edu_handlers": "messages to devices from other homeservers",
    "on_direct_to_device_edu": "messages to devices from other homeservers",
    "add_account_data_for_user": "whom people ignore, their school among them",
    "bind_threepid": "what identity servers are told",
    "try_unbind_threepid": "what identity servers are told",
}
"""What nobody judges without the part of that name; the other parts cost time or words."""

_DIRECT_TO_DEVICE: Final = "m.direct_to_device"
_SET: Final = ("target_user", "requester", "field_name", "new_value", "by_admin", "propagate")
_DELETE: Final = ("target_user", "requester", "field_name", "by_admin")
_BIND: Final = ("client_secret", "sid", "mxid", "id_server", "id_access_token")
_UNBIND: Final = ("mxid", "medium", "address", "id_server")
_CLOSE: Final = ("user_id", "erase_data", "requester", "id_server", "by_admin")
_INVITE: Final = (
    "room_id",
    "inviter",
    "medium",
    "address",
    "id_server",
    "requester",
    "txn_id",
    "id_access_token",
    "prev_event_ids",
    "depth",
)


def open_doors(missing: Iterable[str]) -> list[str]:
    """What nobody judges while these parts, each with its owner before it, are not as expected."""
    return sorted({_DOORS[name] for name in (part.rpartition(".")[2] for part in missing) if name in _DOORS})


class PeopleParts:
    """The parts, each tied to our judge or asked when called."""

    def __init__(self, hs: Any, as_expected: AsExpected) -> None:
        self._hs = hs
        self._store: Any = hs.get_datastores().main
        self._as_expected = as_expected
        self.counts_uploads = as_expected(
            self._store, "get_media_uploaded_size_for_user", ("user_id", "time_period_ms")
        )

    def judge_profiles(self, judge: ProfileJudge) -> None:
        """Has every change of a profile judged, in the process that was asked for it."""
        handler = self._hs.get_profile_handler()
        if self._as_expected(handler, "dispatch_set_profile_field", _SET):
            handler.dispatch_set_profile_field = _judged_profile(handler.dispatch_set_profile_field, judge)
        if self._as_expected(handler, "dispatch_delete_profile_field", _DELETE):
            handler.dispatch_delete_profile_field = _judged_profile(handler.dispatch_delete_profile_field, judge)

    def judge_messages(self, judge: MessageJudge) -> None:
        """Has every message to devices judged that somebody of ours sends."""
        handler = self._hs.get_device_message_handler()
        if not self._as_expected(handler, "send_device_message", ("requester", "message_type", "messages")):
            return
        send = handler.send_device_message

        async def send_device_message(requester: Any, message_type: str, messages: Any) -> None:
            await judge(requester.user.to_string(), messages)
            await send(requester, message_type, messages)

        handler.send_device_message = send_device_message

    def filter_deliveries(self, delivered: DeliveryFilter) -> None:
        """Has messages to devices filtered that come from other homeservers; one that is dropped is acknowledged.

        Only the process that delivers them has a handler; the others hand over to it.
        """
        handler, registry = self._hs.get_device_message_handler(), self._hs.get_federation_registry()
        handlers = getattr(registry, "edu_handlers", None)
        if not isinstance(handlers, dict):
            self._as_expected(registry, "edu_handlers", ())  # notes it
            return
        if _DIRECT_TO_DEVICE not in handlers:
            return
        if not self._as_expected(handler, "on_direct_to_device_edu", ("origin", "content")):
            return
        deliver = handlers[_DIRECT_TO_DEVICE]

        async def on_edu(origin: str, content: Any) -> None:
            if delivered(origin, content):
                await deliver(origin, content)

        handlers[_DIRECT_TO_DEVICE] = on_edu

    def judge_account_data(self, judge: AccountDataJudge) -> None:
        """Has every account data judged that is not about one room."""
        handler = self._hs.get_account_data_handler()
        if not self._as_expected(handler, "add_account_data_for_user", ("user_id", "account_data_type", "content")):
            return
        add = handler.add_account_data_for_user

        async def add_account_data_for_user(user_id: str, account_data_type: str, content: Any) -> Any:
            await judge(user_id, account_data_type, content)
            return await add(user_id, account_data_type, content)

        handler.add_account_data_for_user = add_account_data_for_user

    def judge_identities(self, judge: UserJudge) -> None:
        """Has every call judged that this homeserver would make to an identity server whom a client names."""
        handler = self._hs.get_identity_handler()
        if self._as_expected(handler, "bind_threepid", _BIND):
            bind = handler.bind_threepid

            async def bind_threepid(client_secret: str, sid: str, mxid: str, id_server: str, token: str) -> Any:
                await judge(mxid)
                return await bind(client_secret, sid, mxid, id_server, token)

            handler.bind_threepid = bind_threepid
        if self._as_expected(handler, "try_unbind_threepid", _UNBIND):
            unbind = handler.try_unbind_threepid

            async def try_unbind_threepid(mxid: str, medium: str, address: str, id_server: str | None) -> Any:
                if id_server is not None:
                    await judge(mxid)
                return await unbind(mxid, medium, address, id_server)

            handler.try_unbind_threepid = try_unbind_threepid

    def judge_closing(self, judge: UserJudge) -> None:
        """Has every end of an account judged that is not an administrator's; the main process alone ends accounts."""
        if self._hs.config.worker.worker_app is not None:
            return
        handler = self._hs.get_deactivate_account_handler()
        if not self._as_expected(handler, "deactivate_account", _CLOSE):
            return
        close = handler.deactivate_account

        async def deactivate_account(user_id: str, *details: Any, by_admin: bool = False, **named: Any) -> Any:
            if not by_admin:
                await judge(user_id)
            return await close(user_id, *details, by_admin=by_admin, **named)

        handler.deactivate_account = deactivate_account

    def judge_addresses(self, judge: UserJudge) -> None:
        """Has every invitation of an address judged."""
        handler = self._hs.get_room_member_handler()
        if not self._as_expected(handler, "do_3pid_invite", _INVITE):
            return
        invite = handler.do_3pid_invite

        async def do_3pid_invite(room_id: str, inviter: Any, *details: Any, **named: Any) -> Any:
            await judge(inviter.to_string())
            return await invite(room_id, inviter, *details, **named)

        handler.do_3pid_invite = do_3pid_invite

    async def uploaded(self, user: str, within_ms: int) -> int:
        """Bytes that somebody uploaded lately; 0 where that cannot be told, see ``counts_uploads``."""
        if not self.counts_uploads:
            return 0
        return int(await self._store.get_media_uploaded_size_for_user(user, within_ms))

    @property
    def largest_upload(self) -> int | None:
        """Synapse's own bound for every file; None if it cannot be told."""
        bound = getattr(getattr(self._hs.config, "media", None), "max_upload_size", None)
        return bound if isinstance(bound, int) else None

    @property
    def asker(self) -> str:
        """Who made the request that is being answered; empty if that cannot be told."""
        try:
            request = import_module("synapse.logging.context").current_context().request
        except (ImportError, AttributeError):
            return ""
        return str(getattr(request, "requester", None) or "")


def _judged_profile(change: Callable[..., Awaitable[None]], judge: ProfileJudge) -> Callable[..., Awaitable[None]]:
    async def judged(*, requester: Any, by_admin: bool = False, **details: Any) -> None:
        await judge(requester.user.to_string(), by_admin)
        await change(requester=requester, by_admin=by_admin, **details)

    return judged
